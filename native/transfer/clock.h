#pragma once

#include <time.h>

#include <cstdint>

namespace frazil::transfer {

inline uint64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  (void)::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// Of no beginning in particular: for differences.
inline uint64_t now_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }
inline uint64_t thread_cpu_ns() noexcept { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace frazil::transfer
