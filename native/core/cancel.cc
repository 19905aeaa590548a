#include "core/cancel.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>

namespace frazil {

// Non-blocking, so that signal() can never wait, whatever the counter is.
Result<Cancel> Cancel::open() noexcept {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return SysError{errno, "eventfd"};
  return Cancel(std::move(event));
}

void Cancel::signal() noexcept {
  cancelled_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  // Fails only when the counter is full (EAGAIN), and then it is readable already, which is all we want.
  (void)!::write(event_.get(), &one, sizeof one);
}

}  // namespace frazil
