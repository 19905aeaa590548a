#pragma once

#include "core/cancel.h"
#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// The two things that can happen to a child with a socket, in one wait: it sends something, or it ends.
class ChildWatch {
 public:
  enum class Event { readable, ended };

  // `pidfd` is borrowed for as long as the watch lives.
  static Result<ChildWatch> open(int pidfd) noexcept;

  // Asks for one Event::readable, as soon as `socket` has a message or an end to tell; that may be at once. From any
  // thread, also while another one waits. The socket may be closed later without a word: then the question is dropped.
  Result<void> arm(int socket) const noexcept;

  // Blocks until one of the two, or ECANCELED. When both happened: ended, and what was sent before waits in the socket.
  Result<Event> wait(const Cancel& cancel) const noexcept;

 private:
  explicit ChildWatch(UniqueFd epoll) noexcept : epoll_(std::move(epoll)) {}

  UniqueFd epoll_;
};

}  // namespace frazil
