#pragma once

#include <cstddef>

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

struct SocketPair {
  UniqueFd first;
  UniqueFd second;
};

// AF_UNIX SOCK_STREAM with CLOEXEC. `buffer` bytes for sending is a wish; 0 keeps net.core.wmem_default.
Result<SocketPair> stream_pair(size_t buffer) noexcept;

// AF_UNIX SOCK_SEQPACKET with CLOEXEC: CRIU's control socket. One message is one send().
Result<SocketPair> seqpacket_pair() noexcept;

// AF_UNIX SOCK_DGRAM without a name and without a peer, CLOEXEC: where CRIU keeps pidfds between pre-dumps (criu/pidfd-store.c).
Result<UniqueFd> datagram_socket() noexcept;

}  // namespace frazil
