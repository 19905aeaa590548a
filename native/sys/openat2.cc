#include "sys/openat2.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "sys/retry.h"

namespace frazil {

Result<UniqueFd> open_beneath(int root, const char* path, int flags, mode_t mode) noexcept {
  open_how how{};
  how.flags = static_cast<__u64>(flags) | O_CLOEXEC;
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    const long fd = retry_eintr([&] { return ::syscall(SYS_openat2, root, path, &how, sizeof how); });
    if (fd != -1) return UniqueFd(static_cast<int>(fd));
    // A rename somewhere on the machine may have raced with a ".." of ours: there are none, but the kernel may still ask for a repeat.
    if (errno != EAGAIN) return SysError{errno, "openat2"};
  }
}

Result<UniqueFd> open_parent_beneath(int root, const char* path, const char** name) noexcept {
  const char* slash = std::strrchr(path, '/');
  *name = slash == nullptr ? path : slash + 1;
  const std::string parent = slash == nullptr ? "." : std::string(path, slash);
  return open_beneath(root, parent.c_str(), O_PATH | O_DIRECTORY, 0);
}

}  // namespace frazil
