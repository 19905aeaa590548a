#pragma once

// A dump that stays at the source: its images lie in a directory, whole, and go into a level of which only what CRIU restores itself
// travels now. What may come lazily is left behind, and served from the directory when the copy runs (page_feeder.h).

#include <deque>
#include <vector>

#include "core/unique_fd.h"
#include "page/image.h"
#include "transfer/level.h"

namespace frazil::transfer {

class Leaving {
 public:
  explicit Leaving(UniqueFd directory) noexcept : directory_(std::move(directory)) {}

  // With digests all pages are read, and those that the destination has become holes; without, only what travels. EBADMSG for a pagemap that
  // is none, ENODATA for pages that are not there.
  Result<void> run(const std::vector<page::ImageId>& images, Level& level, Worker& worker,
                   const Cancel& cancel) noexcept;

 private:
  Result<void> pass(page::Image& image, Level& level, Worker& worker, const Cancel& cancel) noexcept;
  Result<void> pass_run(const page::PagemapEntry& run, int pages, Stretch* stretch, Level& level,
                        Worker& worker) noexcept;

  UniqueFd directory_;
  std::deque<page::Image> images_;  // of the level, which keeps their addresses
};

}  // namespace frazil::transfer
