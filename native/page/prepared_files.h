#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/cancel.h"
#include "core/result.h"
#include "page/counters.h"
#include "page/image.h"

namespace frazil::page {

// pages-N.img made before the freeze, full of zeros: the page cache has a place for every page and the file system has promised the
// blocks, so that what comes is only copied. Receivers number the images in the order in which they come; an estimate that has them in
// another order, or wrong, costs time and nothing else.
class PreparedFiles {
 public:
  // `directory` is borrowed.
  PreparedFiles(int directory, uint32_t first_pages_id, Counters& counters) noexcept
      : directory_(directory), first_(first_pages_id), counters_(counters) {}

  // A file for each of `expected`, in bytes. A disk or a quota that is too small is not an error: the estimate may be, too.
  Result<void> make(std::span<const uint64_t> expected, const Cancel& cancel) noexcept;
  // Takes them all away again.
  void discard() noexcept { (void)keep(0); }
  // For writing, whether it was made before or not.
  Result<UniqueFd> open(const Image& image) noexcept;
  // Afterwards: the images at their length (with zeros where nothing was written), and nothing else.
  Result<void> trim(const std::vector<Image*>& images) noexcept;

 private:
  Result<void> fill(const std::string& name, uint64_t bytes, const Cancel& cancel) noexcept;
  Result<void> keep(uint32_t images) noexcept;
  bool has(uint32_t pages_id) const noexcept { return pages_id >= first_ && pages_id - first_ < made_; }

  int directory_;
  uint32_t first_;
  Counters& counters_;
  uint32_t made_ = 0;
};

}  // namespace frazil::page
