#pragma once

// A chain of images into one that stands alone: each page from where it lies, into new pages files without holes that mean a
// parent. The kernel copies (reflinks, where the file system shares blocks), and what is sparse stays sparse.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "page/image_fault.h"
#include "page/stored_image.h"

namespace frazil::page {

struct SquashCounters {
  std::atomic<uint64_t> images{0};
  std::atomic<uint64_t> pages{0};         // in the new pages files
  std::atomic<uint64_t> parent_pages{0};  // of these, taken from parents
  std::atomic<uint64_t> bytes_copied{0};  // less than the pages where they were sparse
  std::atomic<uint64_t> bytes_total{0};   // to be copied, sparse or not
};

// Writes a pagemap and a pages file for each of `names` into `directory`, which holds no file of these names, and syncs them.
// A fault leaves what was written so far.
std::optional<ImageFault> squash_images(const std::vector<UniqueFd>& levels, const std::vector<std::string>& names,
                                        int directory, SquashCounters& counters, const Cancel& cancel) noexcept;

}  // namespace frazil::page
