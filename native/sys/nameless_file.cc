#include "sys/nameless_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>

namespace frazil {
namespace {

// open(2): EOPNOTSUPP from a file system, EISDIR from a kernel that does not know the flag; FUSE's servers say what they like.
bool has_no_such_files(int error) noexcept {
  return error == EOPNOTSUPP || error == EISDIR || error == ENOSYS || error == EINVAL;
}

Result<UniqueFd> open_unlinked(int directory) noexcept {
  uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return SysError{errno, "getrandom"};
  char name[32];
  (void)std::snprintf(name, sizeof name, ".frazil-%016" PRIx64, number);
  UniqueFd file(::openat(directory, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return SysError{errno, "openat"};
  if (::unlinkat(directory, name, 0) == -1) return SysError{errno, "unlinkat"};
  return file;
}

}  // namespace

Result<UniqueFd> open_nameless(int directory) noexcept {
  UniqueFd file(::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file) return file;
  if (has_no_such_files(errno)) return open_unlinked(directory);
  return SysError{errno, "openat"};
}

}  // namespace frazil
