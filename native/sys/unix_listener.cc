#include "sys/unix_listener.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "sys/retry.h"
#include "sys/wait_for.h"

namespace frazil {
namespace {

// A runtime starts one CRIU after the other.
constexpr int kBacklog = 8;

Result<Peer> accept_now(int listener) noexcept {
  UniqueFd socket(retry_eintr([&] { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); }));
  if (!socket) return SysError{errno, "accept4"};
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1) return SysError{errno, "getsockopt"};
  return Peer{std::move(socket), peer.pid, peer.uid};
}

}  // namespace

Result<UniqueFd> listen_seqpacket(const char* path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return SysError{ENAMETOOLONG, "bind"};
  std::memcpy(address.sun_path, path, length);
  // Non-blocking: somebody who connects and leaves at once must not keep accept() waiting after poll().
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return SysError{errno, "socket"};
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == -1) return SysError{errno, "bind"};
  if (::listen(socket.get(), kBacklog) == -1) return SysError{errno, "listen"};
  return socket;
}

Result<Peer> accept_peer(int listener, const Cancel& cancel) noexcept {
  for (;;) {
    const auto wake = wait_for(listener, POLLIN, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "poll"};
    auto peer = accept_now(listener);
    if (!peer.ok() && (peer.error().number == EAGAIN || peer.error().number == ECONNABORTED)) continue;
    return peer;
  }
}

}  // namespace frazil
