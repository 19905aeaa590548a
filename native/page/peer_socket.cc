#include "page/peer_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "sys/retry.h"

namespace frazil::page {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSilentBeforeAsking = 10;  // seconds
constexpr int kBetweenQuestions = 5;     // seconds
constexpr int kQuestions = 4;
constexpr int kUnheardMs = 30'000;

void set(int socket, int level, int name, int value) noexcept {
  // On a unix socket those of TCP fail, and are not needed.
  (void)::setsockopt(socket, level, name, &value, sizeof value);
}

void set_linger(int socket, bool reset) noexcept {
  const linger how{reset ? 1 : 0, 0};
  (void)::setsockopt(socket, SOL_SOCKET, SO_LINGER, &how, sizeof how);
}

}  // namespace

void prepare_peer(int socket) noexcept {
  set_linger(socket, true);
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, kSilentBeforeAsking);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, kBetweenQuestions);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, kQuestions);
  set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, kUnheardMs);
}

void end_orderly(UniqueFd socket) noexcept {
  set_linger(socket.get(), false);
  socket.reset();
}

Result<void> say(const Said& what) noexcept {
  const ssize_t n = retry_eintr(
      [&] { return ::send(what.socket, what.bytes.data(), what.bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (n == -1) return SysError{errno, "send"};
  if (static_cast<size_t>(n) != what.bytes.size()) return SysError{EAGAIN, "send"};
  return {};
}

Result<bool> wait_readable(int socket, Clock::time_point until) noexcept {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd wait{socket, POLLIN, 0};
  const int ready = retry_eintr([&] { return ::poll(&wait, 1, static_cast<int>(std::max<int64_t>(left, 0))); });
  if (ready == -1) return SysError{errno, "poll"};
  return ready == 1;
}

Result<bool> hear(int socket, int32_t* number, std::chrono::milliseconds patience) noexcept {
  const auto until = Clock::now() + patience;
  for (size_t got = 0; got < sizeof *number;) {
    const auto ready = wait_readable(socket, until);
    if (!ready.ok()) return ready.error();
    if (!ready.value() && got == 0) return false;
    if (!ready.value()) return SysError{ETIMEDOUT, "recv"};
    auto* const to = reinterpret_cast<char*>(number) + got;
    const ssize_t n = retry_eintr([&] { return ::recv(socket, to, sizeof *number - got, MSG_DONTWAIT); });
    if (n == 0) return SysError{ECONNRESET, "recv"};
    if (n == -1 && errno != EAGAIN) return SysError{errno, "recv"};
    got += static_cast<size_t>(std::max<ssize_t>(n, 0));
  }
  return true;
}

}  // namespace frazil::page
