#include "sys/socket_pair.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace frazil {
namespace {

// AF_UNIX refuses a message larger than the sender's buffer (EMSGSIZE). The default of 208 KiB is far more than CRIU
// ever sends; a request with thousands of `external` entries is what needs this.
constexpr size_t kMessageBuffer = size_t{1} << 20;

void raise_send_buffer(int fd, size_t bytes) noexcept {
  const int wanted = static_cast<int>(std::min<size_t>(bytes, INT_MAX));
  // FORCE passes net.core.wmem_max but needs CAP_NET_ADMIN; a smaller buffer means more turns, or EMSGSIZE on send.
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) == 0) return;
  (void)::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
}

Result<SocketPair> open_pair(int type, size_t buffer) noexcept {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) == -1) return SysError{errno, "socketpair"};
  SocketPair pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
  if (buffer > 0) {
    raise_send_buffer(pair.first.get(), buffer);
    raise_send_buffer(pair.second.get(), buffer);
  }
  return pair;
}

}  // namespace

Result<SocketPair> stream_pair(size_t buffer) noexcept { return open_pair(SOCK_STREAM, buffer); }

Result<SocketPair> seqpacket_pair() noexcept { return open_pair(SOCK_SEQPACKET, kMessageBuffer); }

Result<UniqueFd> datagram_socket() noexcept {
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return SysError{errno, "socket"};
  return socket;
}

}  // namespace frazil
