#include "page/image_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace frazil::page {

Result<UniqueFd> create_image_file(int directory, const std::string& name, int access) noexcept {
  UniqueFd file(::openat(directory, name.c_str(), access | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return SysError{errno, "openat"};
  return file;
}

Result<UniqueFd> reopen_image_file(int directory, const std::string& name) noexcept {
  UniqueFd file(::openat(directory, name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return SysError{errno, "openat"};
  return file;
}

Result<void> check_written(int file) noexcept {
  const int duplicate = ::fcntl(file, F_DUPFD_CLOEXEC, 0);
  if (duplicate == -1) return SysError{errno, "fcntl"};
  // EINTR cannot come: signals are blocked on our threads. Whatever is said, the number is free afterwards.
  if (::close(duplicate) == -1) return SysError{errno, "close"};
  return {};
}

Result<void> sync_image_file(int directory, const std::string& name) noexcept {
  const auto file = reopen_image_file(directory, name);
  if (!file.ok()) return file.error();
  if (::fsync(file.value().get()) == -1) return SysError{errno, "fsync"};
  return {};
}

}  // namespace frazil::page
