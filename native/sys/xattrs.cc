#include "sys/xattrs.h"

#include <sys/xattr.h>

#include <cerrno>
#include <cstring>

namespace frazil {
namespace {

// The kernel's own limits (linux/limits.h): 64 KiB for all names of a file, and for one value.
constexpr size_t kMostBytes = size_t{64} << 10;

// ENODATA: it has just been removed.
Result<bool> read_value(const char* path, Xattr& xattr) noexcept {
  xattr.value.resize(kMostBytes);
  const ssize_t got = ::lgetxattr(path, xattr.name.c_str(), xattr.value.data(), xattr.value.size());
  if (got == -1) return errno == ENODATA ? Result<bool>(false) : SysError{errno, "lgetxattr"};
  xattr.value.resize(static_cast<size_t>(got));
  return true;
}

}  // namespace

Result<std::vector<Xattr>> read_xattrs(const char* path) noexcept {
  std::vector<Xattr> found;
  // Most files have none, and a length of 0 says so without a buffer.
  const ssize_t wanted = ::llistxattr(path, nullptr, 0);
  if (wanted == -1 && errno != EOPNOTSUPP) return SysError{errno, "llistxattr"};
  if (wanted <= 0) return found;
  std::string names(kMostBytes, '\0');
  const ssize_t listed = ::llistxattr(path, names.data(), names.size());
  if (listed == -1) return SysError{errno, "llistxattr"};
  for (const char* name = names.data(); name < names.data() + listed; name += std::strlen(name) + 1) {
    Xattr xattr{name, {}};
    const auto read = read_value(path, xattr);
    if (!read.ok()) return read.error();
    if (read.value()) found.push_back(std::move(xattr));
  }
  return found;
}

}  // namespace frazil
