#pragma once

#include <mutex>
#include <unordered_map>
#include <vector>

#include "page/absorber.h"
#include "page/prepared_files.h"
#include "page/store.h"
#include "page/zero_scan.h"

namespace frazil::page {

struct SplitOptions {
  unsigned workers;
  uint32_t first_pages_id;
};

// Two ways at once, for a tree that runs on. One copying thread writes into pages-N.img, made ready before the freeze; the others would
// only queue for that file's inode lock, so they absorb, and what they have absorbed is written out when the tree runs again. Memory
// for half of the pages is prepared; when a thread has used up its part, it queues after all.
class SplitStore final : public Store {
 public:
  // `directory` is borrowed for the store's life.
  SplitStore(int directory, const SplitOptions& options, Counters& counters) noexcept;

  Result<void> prepare(std::span<const uint64_t> expected, const Cancel& cancel) noexcept override;
  Result<void> open(Image& image) noexcept override;
  Result<void> rest() noexcept override;
  Result<void> put(unsigned worker, const Payload& payload, Image& image) noexcept override;
  Result<void> settle(const Cancel& cancel) noexcept override;

 private:
  // What was written in the freeze, to be searched for zero pages after it.
  struct Written {
    const Image* image;
    uint64_t offset;
    uint64_t bytes;
  };
  using Zeros = std::unordered_map<const Image*, std::vector<ZeroStretch>>;

  static void note(std::vector<Written>& done, const Payload& payload, const Image& image) noexcept;
  Result<void> write_absorbed(Zeros& zeros, const Cancel& cancel) noexcept;
  Result<void> search_written(Zeros& zeros, const Cancel& cancel) noexcept;
  Result<void> punch(Zeros& zeros) noexcept;

  int directory_;
  Counters& counters_;
  PreparedFiles files_;
  Absorber absorber_;
  std::mutex writing_;  // held by the thread that writes into files
  std::vector<std::vector<Written>> written_;  // of each copying thread
  std::vector<Image*> images_;
  size_t rested_ = 0;  // so many of images_ have no fd any more
};

}  // namespace frazil::page
