#pragma once

#include "lazy/events.h"
#include "page/source.h"

namespace frazil::lazy {

// Puts pages into spaces. Thread-safe.
class Filler {
 public:
  Filler(Spaces& spaces, Events& events, Backlog& backlog, Board& board, Verdict& verdict) noexcept
      : spaces_(spaces), events_(events), backlog_(backlog), board_(board), verdict_(verdict) {}

  // Fills what the space still misses of the pages that have arrived. EFAULT when they cannot be read; ECANCELED when all is over.
  Result<void> put(const SpacePtr& space, const page::Arrival& arrival) noexcept;
  // Zero by right: gives the page to whoever waits for it, or wakes him when it is there.
  void put_zero(const SpacePtr& space, uint64_t address) noexcept;
  // Nothing of it is missing, or its task is gone: closes it.
  void retire_if_done(const SpacePtr& space) noexcept;
  // Pages may be missing that are nowhere, until an event says where: see Leaving in space.h.
  void look_for_events(const SpacePtr& space) noexcept;
  void end(const SpacePtr& space) noexcept;
  // The source has been asked for so much.
  void count_read(uint64_t pages) noexcept;

 private:
  enum class Next : uint8_t { done, again, ended };

  Result<Next> put_now(Space& space, const page::Arrival& arrival, uint64_t first) noexcept;
  Result<Next> step(Space& space, Range& range, const std::byte* bytes, uint64_t* limit) noexcept;
  Result<Next> unregistered(Space& space, const Range& range, uint64_t* limit) noexcept;
  enum class How : uint8_t { copied, zero, found };
  void count(const Space& space, uint64_t fresh, How how) noexcept;

  Spaces& spaces_;
  Events& events_;
  Backlog& backlog_;
  Board& board_;
  Verdict& verdict_;
};

// Delivers into one space, and then into `others` that came from the same image: copies of the tree, and forked tasks. For one fetch().
class Into final : public page::Taker {
 public:
  Into(Filler& filler, const SpacePtr& space, Verdict& verdict, std::vector<SpacePtr> others = {}) noexcept
      : filler_(filler), space_(space), others_(std::move(others)), verdict_(verdict) {}
  Result<void> take(const page::Arrival& arrival) noexcept override;
  void lose(const page::SourceFailure& failure) noexcept override { verdict_.fail_at(Fault::source, failure); }

 private:
  Filler& filler_;
  const SpacePtr& space_;
  const std::vector<SpacePtr> others_;
  Verdict& verdict_;
};

}  // namespace frazil::lazy
