#pragma once

#include "core/result.h"

namespace frazil {

// flock(2), exclusive and without waiting: false when another open file has it. It ends with the last duplicate of the fd, so
// also with the process. EBADF where a file system needs a writable fd for it (directories on NFS).
Result<bool> try_lock(int fd) noexcept;

}  // namespace frazil
