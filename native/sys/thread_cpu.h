#pragma once

#include <time.h>

#include <cstdint>

namespace frazil {

// What the calling thread has used of a processor since it began.
inline uint64_t thread_cpu_ns() noexcept {
  timespec now{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace frazil
