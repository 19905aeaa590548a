#pragma once

#include "archive/archive.h"

namespace frazil::archive {

// Absorbs, and writes the archive when the tree already runs: for a tree that runs on, and for outputs that take bytes only in order.
class AbsorbingStore final : public page::Store {
 public:
  AbsorbingStore(Archive& archive, UniqueFd spill_directory, unsigned workers, uint64_t memory_bytes) noexcept
      : archive_(archive),
        spill_(std::move(spill_directory)),
        absorber_({workers, memory_bytes, spill_.get()}, *archive.counters_) {}
  ~AbsorbingStore() override { archive_.members_.clear(); }

  Result<void> prepare(uint64_t expected_bytes, const Cancel& cancel) noexcept override {
    return absorber_.prepare(expected_bytes, cancel);
  }
  Result<void> open(page::Image& image) noexcept override {
    archive_.members_.open(image);
    return absorber_.ready();
  }
  Result<void> rest() noexcept override { return {}; }
  Result<void> put(unsigned worker, const page::Payload& payload, page::Image& image) noexcept override {
    return absorber_.put(worker, payload, image);
  }
  Result<void> settle(const Cancel& cancel) noexcept override;

 private:
  Result<void> settle_file(const Cancel& cancel) noexcept;
  Result<void> settle_in_order(const Cancel& cancel) noexcept;

  Archive& archive_;
  UniqueFd spill_;
  page::Absorber absorber_;
};

}  // namespace frazil::archive
