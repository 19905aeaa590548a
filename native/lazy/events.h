#pragma once

#include <array>
#include <deque>

#include "lazy/spaces.h"
#include "lazy/verdict.h"
#include "sys/uffd.h"

namespace frazil::lazy {

struct PendingFault {
  SpacePtr space;
  uint64_t address;  // of its page
  uint64_t since_ns;
};

// Faults that somebody read who was busy with something else. `fd` is readable while there are some.
class Backlog {
 public:
  static Result<std::unique_ptr<Backlog>> open() noexcept;
  void push(std::vector<PendingFault> faults) noexcept;
  std::vector<PendingFault> take() noexcept;
  int fd() const noexcept { return event_.get(); }

 private:
  explicit Backlog(UniqueFd event) noexcept : event_(std::move(event)) {}

  UniqueFd event_;
  std::mutex mutex_;
  std::vector<PendingFault> faults_;
};

// Reads what a space's userfaultfd says: keeps the segments true, makes spaces of forked tasks, gives faults back.
class Events {
 public:
  Events(Spaces& spaces, Board& board, Verdict& verdict) noexcept : spaces_(spaces), board_(board), verdict_(verdict) {}

  // Everything that waits. Takes the space's lock: see space.h.
  std::vector<PendingFault> read(const SpacePtr& space) noexcept;

 private:
  void apply(Space& space, const uffd_msg& message) noexcept;
  void fork(Space& parent, UniqueFd child) noexcept;
  void lose(const Space& space, uint64_t pages) noexcept;

  Spaces& spaces_;
  Board& board_;
  Verdict& verdict_;
};

uint64_t now_ns() noexcept;

}  // namespace frazil::lazy
