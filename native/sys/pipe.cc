#include "sys/pipe.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace frazil {

Result<Pipe> open_pipe(size_t capacity) noexcept {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) == -1) return SysError{errno, "pipe2"};
  Pipe pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  // A smaller pipe is slower, never wrong: pipe-max-size or pipe-user-pages-soft may refuse us.
  if (capacity > 0) {
    (void)::fcntl(pipe.write.get(), F_SETPIPE_SZ, static_cast<int>(std::min<size_t>(capacity, INT_MAX)));
  }
  return pipe;
}

}  // namespace frazil
