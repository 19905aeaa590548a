#include "lazy/connection.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sys/retry.h"
#include "sys/scm_rights.h"

namespace frazil::lazy {
namespace {

constexpr const char* kName = "lazy-pages.socket";
constexpr uint32_t kAllRestored = 0x52535446;

struct Received {
  size_t bytes;
  std::vector<UniqueFd> fds;
  pid_t sender;
};

// One recvmsg(); EAGAIN when nothing is there.
Result<Received> receive_some(int socket, void* into, size_t bytes) noexcept {
  struct {
    ControlBuffer fds;
    alignas(cmsghdr) std::byte sender[CMSG_SPACE(sizeof(ucred))];
  } control;
  iovec body{into, bytes};
  msghdr message{};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  const ssize_t n = retry_eintr([&] { return ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
  if (n == -1) return SysError{errno, "recvmsg"};
  Received received{static_cast<size_t>(n), {}, 0};
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS) continue;
    ucred sender;
    std::memcpy(&sender, CMSG_DATA(part), sizeof sender);
    received.sender = sender.pid;
  }
  received.fds = take_fds(message);
  return received;
}

}  // namespace

Result<UniqueFd> listen_in(int directory, int backlog) noexcept {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return SysError{errno, "socket"};
  const int on = 1;
  // Inherited by accepted sockets, and by those that wait to be accepted: every message names its sender, in our pid namespace.
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1) return SysError{errno, "setsockopt"};
  // sun_path is short, and the directory may have no name at all.
  if (::fchdir(directory) == -1) return SysError{errno, "fchdir"};
  (void)::unlink(kName);  // ENOENT as a rule
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, kName, sizeof address.sun_path - 1);
  const mode_t before = ::umask(0077);
  const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  (void)::umask(before);
  if (bound == -1) return SysError{errno, "bind"};
  if (::listen(socket.get(), backlog) == -1) return SysError{errno, "listen"};
  return socket;
}

Result<Announced> Connection::receive() noexcept {
  const bool whole = have_ == sizeof word_;
  char mark;
  auto got = whole ? receive_some(fd(), &mark, sizeof mark)
                   : receive_some(fd(), reinterpret_cast<char*>(&word_) + have_, sizeof word_ - have_);
  if (!got.ok() && got.error().number == EAGAIN) return Announced(Nothing{});
  if (!got.ok() && got.error().number == ECONNRESET) return Announced(HungUp{});
  if (!got.ok()) return got.error();
  if (got.value().bytes == 0) return Announced(HungUp{});
  if (whole) {
    have_ = 0;
    if (got.value().fds.size() != 1) return SysError{EPROTO, "recvmsg"};
    return Announced(TaskArrived{word_, got.value().sender, std::move(got.value().fds.front())});
  }
  have_ += got.value().bytes;
  if (have_ < sizeof word_) return receive();
  const auto pid = static_cast<int32_t>(word_);
  if (word_ == kAllRestored) {
    have_ = 0;
    return Announced(Restored{});
  }
  if (pid == 0) return SysError{EPROTO, "recvmsg"};
  if (pid < 0) have_ = 0;  // a zombie: nothing follows
  return receive();
}

}  // namespace frazil::lazy
