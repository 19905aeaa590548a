#pragma once

#include <sys/types.h>

#include "core/cancel.h"
#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// Who is at the other end, as the kernel saw it when it connected. The pid may be somebody else's by now: open a pidfd before
// trusting it, and look at the socket after.
struct Peer {
  UniqueFd socket;
  pid_t pid;
  uid_t uid;
};

// An AF_UNIX SOCK_SEQPACKET listener with CLOEXEC, bound to `path`, which must not exist (EADDRINUSE) and must be shorter than 108
// bytes (ENAMETOOLONG). Whoever may reach the path may connect: the directory is the guard.
Result<UniqueFd> listen_seqpacket(const char* path) noexcept;

// Waits for the next to connect.
Result<Peer> accept_peer(int listener, const Cancel& cancel) noexcept;

}  // namespace frazil
