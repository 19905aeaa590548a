// One protobuf message is one packet, in both directions (criu/cr-service.c). CRIU itself reads into a buffer that it
// sizes by peeking; so do we, because an answer has no upper limit in its schema. Sending never waits: CRIU takes
// requests one at a time and our side never has two under way, so a full socket means that something is wrong and the
// caller should hear it.

#include "sys/seqpacket.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "sys/retry.h"
#include "sys/scm_rights.h"
#include "sys/wait_for.h"

namespace frazil {

Result<void> send_message(int fd, std::span<const std::byte> bytes, std::span<const int> fds) noexcept {
  if (fds.size() > kMaxFds) return SysError{EINVAL, "sendmsg"};
  // sendmsg() does not write to what it sends; iovec has no const.
  iovec body{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  ControlBuffer control;
  attach_fds(message, control, fds);
  const ssize_t sent = retry_eintr([&] { return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
  if (sent == -1) return SysError{errno, "sendmsg"};
  return {};
}

namespace {

// A peer that dies with unread bytes of ours gives ECONNRESET, once, before what it sent us and before the end.
ssize_t peek_size(int fd) noexcept {
  const auto peek = [&] { return ::recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT); };
  const ssize_t size = retry_eintr(peek);
  return size == -1 && errno == ECONNRESET ? retry_eintr(peek) : size;
}

// EAGAIN is an error here too: the caller waits and comes again.
Result<Message> take_message(int fd) noexcept {
  const ssize_t size = peek_size(fd);
  if (size == -1) return SysError{errno, "recv"};
  if (static_cast<size_t>(size) > kMaxMessage) return SysError{EMSGSIZE, "recv"};
  Message received;
  received.bytes.resize(static_cast<size_t>(size));
  iovec body{received.bytes.data(), received.bytes.size()};
  ControlBuffer control;
  msghdr message{};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const ssize_t got = retry_eintr([&] { return ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
  if (got == -1) return SysError{errno, "recvmsg"};
  received.fds = take_fds(message);
  // MSG_CTRUNC: more fds than we take, or our own fd limit. A message without all of its fds is of no use; those that
  // came are closed by `received`. MSG_TRUNC: somebody else read from this socket between our two calls.
  if ((message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0) return SysError{EMSGSIZE, "recvmsg"};
  received.bytes.resize(static_cast<size_t>(got));
  return received;
}

// Nothing is an end: CRIU sends no empty messages.
std::optional<Message> or_end(Message taken) noexcept {
  if (taken.bytes.empty() && taken.fds.empty()) return std::nullopt;
  return taken;
}

}  // namespace

Result<std::optional<Message>> receive_message(int fd, const Cancel& cancel) noexcept {
  for (;;) {
    const auto wake = wait_for(fd, POLLIN, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "poll"};
    auto taken = take_message(fd);
    if (taken.ok()) return or_end(std::move(taken).value());
    if (taken.error().number != EAGAIN) return taken.error();
  }
}

Result<std::optional<Message>> receive_soon(int fd, long microseconds) noexcept {
  if (microseconds > 0) {
    pollfd waiting{fd, POLLIN, 0};
    const timespec limit{0, microseconds * 1000};
    // Whatever comes of it: what is there is asked for below.
    (void)::ppoll(&waiting, 1, &limit, nullptr);
  }
  auto taken = take_message(fd);
  if (!taken.ok()) return taken.error();
  return or_end(std::move(taken).value());
}

}  // namespace frazil
