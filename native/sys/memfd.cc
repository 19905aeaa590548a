#include "sys/memfd.h"

#include <sys/mman.h>

#include <cerrno>

namespace frazil {

Result<UniqueFd> open_memfd(const char* name) noexcept {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return SysError{errno, "memfd_create"};
  return fd;
}

}  // namespace frazil
