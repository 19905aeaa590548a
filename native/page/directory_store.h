#pragma once

#include <unordered_map>
#include <vector>

#include "page/counters.h"
#include "page/store.h"
#include "page/zero_scan.h"

namespace frazil::page {

// Splices into pages-N.img as the pages come: one copy, made by the kernel, from the task's page into the page cache. Memory of
// this process stays constant; the tree stays frozen for as long as the file takes.
class DirectoryStore final : public Store {
 public:
  // `directory` is borrowed for the store's life.
  DirectoryStore(int directory, unsigned workers, Counters& counters) noexcept
      : directory_(directory), counters_(counters), zeros_(workers) {}

  Result<void> prepare(uint64_t expected_bytes, const Cancel& cancel) noexcept override;
  Result<void> open(Image& image) noexcept override;
  Result<void> rest() noexcept override;
  Result<void> put(unsigned worker, const Payload& payload, Image& image) noexcept override;
  Result<void> settle(const Cancel& cancel) noexcept override;

 private:
  Result<void> punch(const Image& image) noexcept;

  int directory_;
  Counters& counters_;
  std::vector<Image*> images_;
  size_t rested_ = 0;  // so many of images_ have no fd any more
  // What each copying thread has found in each image; a thread touches only its own.
  std::vector<std::unordered_map<const Image*, std::vector<ZeroStretch>>> zeros_;
};

}  // namespace frazil::page
