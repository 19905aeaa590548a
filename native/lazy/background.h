#pragma once

#include <condition_variable>

#include "lazy/filler.h"
#include "lazy/order.h"

namespace frazil::lazy {

// Fills what nobody has asked for. Any number of threads run it.
class Background {
 public:
  Background(Spaces& spaces, Filler& filler, page::Source& source, Board& board, Verdict& verdict,
             std::vector<OrderedRun> replay, uint64_t bytes_per_second) noexcept
      : spaces_(spaces),
        filler_(filler),
        source_(source),
        board_(board),
        verdict_(verdict),
        replay_(std::move(replay)),
        bytes_per_second_(bytes_per_second) {}

  // A tree has been restored, or is held: there is more to fill. Until `begin`, only faults are answered.
  enum class When : uint8_t { begin, later };
  void tree_restored(When when) noexcept;
  // No further tree will come: when all spaces are filled, all is.
  void no_more_trees() noexcept;
  // The verdict is there.
  void stop() noexcept;

  // A thread's body. Whoever fills the last page decides `filled`.
  void operator()() noexcept;

 private:
  // Nobody else fills it meanwhile but for faults.
  struct Claim {
    SpacePtr space;
    Range range;
  };

  void replay() noexcept;
  void replay(const OrderedRun& run) noexcept;
  std::optional<Claim> next() noexcept;
  std::optional<Claim> look() noexcept;
  void give_way(uint64_t& left) noexcept;
  void fill(const Claim& claim) noexcept;
  bool bring(const SpacePtr& space, const Range& range) noexcept;
  void release(uint64_t pages) noexcept;
  uint64_t piece() const noexcept;

  Spaces& spaces_;
  Filler& filler_;
  page::Source& source_;
  Board& board_;
  Verdict& verdict_;
  const std::vector<OrderedRun> replay_;
  const uint64_t bytes_per_second_;  // 0: as fast as it goes
  std::atomic<size_t> replayed_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  bool begun_ = false;
  bool complete_ = false;
  bool stopped_ = false;
  unsigned busy_ = 0;    // threads with a claim
  uint64_t due_ns_ = 0;  // when the rate allows the next
  // Where the search goes on: what lies behind is there or claimed.
  std::vector<SpacePtr> order_;
  uint64_t generation_ = ~uint64_t{0};
  size_t current_ = 0;
  uint64_t address_ = 0;
};

}  // namespace frazil::lazy
