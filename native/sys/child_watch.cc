// An epoll set and not poll(), because the set can be changed while a thread sleeps on it. The JS thread takes most
// messages itself, without waiting; it asks to be told (EPOLLONESHOT) only when nothing has come, and so the sleeping
// thread is not woken for what is already taken.

#include "sys/child_watch.h"

#include <sys/epoll.h>

#include <cerrno>
#include <span>

#include "sys/retry.h"
#include "sys/wait_for.h"

namespace frazil {
namespace {

constexpr uint64_t kPidfd = 0;
constexpr uint64_t kSocket = 1;

int change(int epoll, int operation, int fd, uint32_t events, uint64_t which) noexcept {
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.u64 = which;
  return ::epoll_ctl(epoll, operation, fd, &wanted);
}

}  // namespace

Result<ChildWatch> ChildWatch::open(int pidfd) noexcept {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return SysError{errno, "epoll_create1"};
  if (change(epoll.get(), EPOLL_CTL_ADD, pidfd, EPOLLIN, kPidfd) == -1) return SysError{errno, "epoll_ctl"};
  return ChildWatch(std::move(epoll));
}

Result<void> ChildWatch::arm(int socket) const noexcept {
  constexpr uint32_t kOnce = EPOLLIN | EPOLLONESHOT;
  if (change(epoll_.get(), EPOLL_CTL_MOD, socket, kOnce, kSocket) == 0) return {};
  // The first time it is not in the set yet.
  if (errno == ENOENT && change(epoll_.get(), EPOLL_CTL_ADD, socket, kOnce, kSocket) == 0) return {};
  return SysError{errno, "epoll_ctl"};
}

Result<ChildWatch::Event> ChildWatch::wait(const Cancel& cancel) const noexcept {
  for (;;) {
    const auto wake = wait_for(epoll_.get(), POLLIN, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "poll"};
    epoll_event happened[2];
    const int count = retry_eintr([&] { return ::epoll_wait(epoll_.get(), happened, 2, 0); });
    if (count == -1) return SysError{errno, "epoll_wait"};
    // None: the socket was closed between the two calls.
    if (count == 0) continue;
    for (const epoll_event& one : std::span(happened, static_cast<size_t>(count))) {
      if (one.data.u64 == kPidfd) return Event::ended;
    }
    return Event::readable;
  }
}

}  // namespace frazil
