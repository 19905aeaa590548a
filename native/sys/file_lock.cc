#include "sys/file_lock.h"

#include <sys/file.h>

#include "sys/retry.h"

namespace frazil {

Result<bool> try_lock(int fd) noexcept {
  if (retry_eintr([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return SysError{errno, "flock"};
}

}  // namespace frazil
