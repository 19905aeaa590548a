#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

enum class PageBacking { small, huge };

// The root directory of a tmpfs that is mounted nowhere: it has no name, nobody else reaches it except over /proc/PID/fd of its
// holder, and it is gone with its last fd, however the process ends. Its memory is not part of anybody's resident set. Needs
// CAP_SYS_ADMIN (EPERM otherwise) and Linux 5.2 (ENOSYS). `huge` is a wish.
Result<UniqueFd> open_private_tmpfs(PageBacking backing) noexcept;

}  // namespace frazil
