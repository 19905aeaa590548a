#pragma once

#include <sys/types.h>

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// Opens `path` below `root`, through no symbolic link and not out of it, also when somebody renames folders meanwhile: the kernel
// resolves it in one call (openat2, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS; since Linux 5.6). ELOOP is a link,
// EXDEV a way out.
Result<UniqueFd> open_beneath(int root, const char* path, int flags, mode_t mode) noexcept;

// The folder that `path` lies in, by the same rules; `path` itself may have no "/" at all, which is `root`. `*name` is its last part,
// inside `path`.
Result<UniqueFd> open_parent_beneath(int root, const char* path, const char** name) noexcept;

}  // namespace frazil
