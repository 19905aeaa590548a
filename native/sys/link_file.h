#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/result.h"

namespace frazil {

// Gives a file that has no name (O_TMPFILE) one. EEXIST when it is taken. By way of /proc, because AT_EMPTY_PATH needs a capability.
inline Result<void> link_to(int fd, const char* path) noexcept {
  char source[32];
  (void)std::snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
  if (::linkat(AT_FDCWD, source, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == -1) return SysError{errno, "linkat"};
  return {};
}

// Both names are in one file system. EEXIST when the second is taken, EINVAL where the file system cannot tell.
inline Result<void> rename_new(const char* from, const char* to) noexcept {
  if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == -1) return SysError{errno, "renameat2"};
  return {};
}

}  // namespace frazil
