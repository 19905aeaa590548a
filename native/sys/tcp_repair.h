#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// A duplicate of another process's fd: the same open file. Needs the permission to trace that process.
Result<UniqueFd> copy_fd(int pidfd, int number) noexcept;

// Whether `fd` is a TCP socket in repair mode, as CRIU puts those whose state it takes. False for any other fd.
Result<bool> is_in_repair(int fd) noexcept;

// Ends repair mode and sends the peer a window probe; of a socket that is not in repair mode, only the probe. Repair mode takes
// SO_REUSEADDR away (sk_reuse becomes SK_FORCE_REUSE, then SK_NO_REUSE: tcp(7) does not say, net/ipv4/tcp.c does), so it is set here.
Result<void> end_repair(int fd, bool reuse_address) noexcept;

}  // namespace frazil
