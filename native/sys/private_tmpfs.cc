#include "sys/private_tmpfs.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace frazil {
namespace {

// linux/mount.h cannot be included beside glibc's <sys/mount.h>, and older glibc has no wrappers for these calls.
constexpr unsigned kFsopenCloexec = 1;
constexpr unsigned kFsmountCloexec = 1;
constexpr unsigned kSetString = 1;  // FSCONFIG_SET_STRING
constexpr unsigned kCreate = 6;     // FSCONFIG_CMD_CREATE
constexpr unsigned kAttributes = 2 | 4 | 8;  // MOUNT_ATTR_NOSUID | NODEV | NOEXEC

bool set(int context, const char* key, const char* value) noexcept {
  return ::syscall(SYS_fsconfig, context, kSetString, key, value, 0) == 0;
}

}  // namespace

Result<UniqueFd> open_private_tmpfs(PageBacking backing) noexcept {
  UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", kFsopenCloexec)));
  if (!context) return SysError{errno, "fsopen"};
  // The default size is half of the memory; what may be taken is the caller's decision, who has looked at what is free.
  if (!set(context.get(), "size", "100%") || !set(context.get(), "mode", "0700")) return SysError{errno, "fsconfig"};
  // Refused by kernels without transparent huge pages: slower, never wrong.
  if (backing == PageBacking::huge) (void)set(context.get(), "huge", "always");
  if (::syscall(SYS_fsconfig, context.get(), kCreate, nullptr, nullptr, 0) == -1) return SysError{errno, "fsconfig"};
  UniqueFd root(static_cast<int>(::syscall(SYS_fsmount, context.get(), kFsmountCloexec, kAttributes)));
  if (!root) return SysError{errno, "fsmount"};
  return root;
}

}  // namespace frazil
