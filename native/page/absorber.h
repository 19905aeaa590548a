#pragma once

#include <functional>
#include <span>
#include <vector>

#include "core/cancel.h"
#include "page/counters.h"
#include "page/image.h"

namespace frazil::page {

struct AbsorberOptions {
  unsigned workers;
  // What does not fit into so much memory goes into a file that nobody finds in `spill_directory` (borrowed; -1: never).
  uint64_t memory_bytes = UINT64_MAX;
  int spill_directory = -1;
};

// Takes pages while the tree is frozen, and gives them to somebody when it runs again. They lie in files on a private tmpfs with huge
// pages, made ready before the freeze, one per copying thread: several threads writing into one file would queue for its inode lock,
// and nothing of it is mapped meanwhile, so that this process stays small.
class Absorber {
 public:
  // Called with stretches of at most 16 MiB, whose memory is given back afterwards.
  using Taker = std::function<Result<void>(Image& image, uint64_t offset, std::span<const std::byte> pages)>;

  Absorber(const AbsorberOptions& options, Counters& counters) noexcept;

  // As page::Store's.
  Result<void> prepare(uint64_t expected_bytes, const Cancel& cancel) noexcept;
  // Before the first put(), which several threads may begin with.
  Result<void> ready() noexcept { return open_stripes(); }
  Result<void> put(unsigned worker, const Payload& payload, Image& image) noexcept;

  // Gives all away, once, in the order in which it lies, file after file.
  Result<void> drain(const Taker& taker, const Cancel& cancel) noexcept;
  // Or image by image in the order in which they came, each in the order of its offsets. EIO when something of it is not there.
  Result<void> drain_image(const Image& image, const Taker& taker, const Cancel& cancel) noexcept;
  // All memory goes.
  void release() noexcept;

 private:
  // On cache lines of their own: two threads write here for every message.
  struct alignas(64) Stripe {
    UniqueFd file;
    uint64_t used = 0;
    uint64_t given_back = 0;
    size_t next = 0;  // the first of `pieces` that nobody has been given
    std::vector<Piece> pieces;
  };

  Result<void> open_stripes() noexcept;
  Result<void> open_spill(Stripe& stripe) noexcept;
  Stripe* holder_of(const Image& image, uint64_t offset) noexcept;
  static void note(Stripe& stripe, const Payload& payload, Image& image) noexcept;
  static Result<void> give_next(Stripe& stripe, const Taker& taker, const Cancel& cancel) noexcept;
  static Result<void> read_next(Stripe& stripe, const Taker& taker, std::span<std::byte> buffer,
                                const Cancel& cancel) noexcept;
  static void give_back(Stripe& stripe, uint64_t done) noexcept;

  AbsorberOptions options_;
  Counters& counters_;
  UniqueFd root_;
  std::vector<Stripe> stripes_;  // one per thread in memory, then one per thread on disk
};

}  // namespace frazil::page
