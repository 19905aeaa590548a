#include "sys/wait_for.h"

#include "sys/retry.h"

namespace frazil {

Result<Wake> wait_for(int fd, short events, const Cancel& cancel) noexcept {
  pollfd waits[] = {{fd, events, 0}, {cancel.fd(), POLLIN, 0}};
  if (retry_eintr([&] { return ::poll(waits, 2, -1); }) == -1) return SysError{errno, "poll"};
  if (waits[1].revents != 0) return Wake::cancelled;
  // poll() itself never says EBADF; without this a closed number would look ready for ever.
  if ((waits[0].revents & POLLNVAL) != 0) return SysError{EBADF, "poll"};
  return Wake::ready;
}

}  // namespace frazil
