#pragma once

#include <memory>

#include "page/counters.h"
#include "page/store.h"

namespace frazil::page {

// Absorbs: pages are spliced into memory that was made ready before the freeze, and written out when the tree already runs.
// The memory is files on a private tmpfs with huge pages, one per copying thread: several threads writing into one file would
// queue for its inode lock, and nothing of it is mapped, so that this process stays small.
class MemoryStore final : public Store {
 public:
  // `directory` is borrowed for the store's life.
  MemoryStore(int directory, unsigned workers, Counters& counters) noexcept;

  Result<void> prepare(uint64_t expected_bytes, const Cancel& cancel) noexcept override;
  Result<void> open(Image& image) noexcept override;
  Result<void> rest() noexcept override;
  Result<void> put(unsigned worker, const Payload& payload, Image& image) noexcept override;
  Result<void> settle(const Cancel& cancel) noexcept override;

 private:
  // On cache lines of their own: two threads write here for every message.
  struct alignas(64) Stripe {
    UniqueFd file;
    uint64_t used = 0;
    uint64_t given_back = 0;
    std::vector<Piece> pieces;
  };

  Result<void> open_stripes() noexcept;
  Result<void> make_files() noexcept;
  Result<void> write_stripe(Stripe& stripe, const Cancel& cancel) noexcept;
  Result<void> write_piece(Stripe& stripe, const Piece& piece, const Cancel& cancel, int file) noexcept;
  static void note(Stripe& stripe, const Payload& payload, Image& image) noexcept;
  static void give_back(Stripe& stripe, uint64_t done) noexcept;

  int directory_;
  unsigned workers_;
  Counters& counters_;
  UniqueFd root_;
  std::vector<Stripe> stripes_;
  std::vector<Image*> images_;
};

}  // namespace frazil::page
