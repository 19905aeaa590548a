#pragma once

#include "page/absorber.h"
#include "page/store.h"

namespace frazil::page {

// Absorbs, and writes pages-N.img when the tree already runs.
class MemoryStore final : public Store {
 public:
  // `directory` is borrowed for the store's life.
  MemoryStore(int directory, unsigned workers, Counters& counters) noexcept
      : directory_(directory), counters_(counters), absorber_({workers}, counters) {}

  Result<void> prepare(uint64_t expected_bytes, const Cancel& cancel) noexcept override {
    return absorber_.prepare(expected_bytes, cancel);
  }
  Result<void> open(Image& image) noexcept override;
  // No fd of an image is open before settle().
  Result<void> rest() noexcept override { return {}; }
  Result<void> put(unsigned worker, const Payload& payload, Image& image) noexcept override {
    return absorber_.put(worker, payload, image);
  }
  Result<void> settle(const Cancel& cancel) noexcept override;

 private:
  Result<void> make_files() noexcept;
  Result<void> use(const Image& image) noexcept;

  int directory_;
  Counters& counters_;
  Absorber absorber_;
  std::vector<Image*> images_;
  // The file that is being written: one at a time, as there may be thousands of images.
  const Image* used_ = nullptr;
  UniqueFd file_;
};

}  // namespace frazil::page
