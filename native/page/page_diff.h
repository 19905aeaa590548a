#pragma once

// Two checkpoints of the same tree, page by page. Pages that both find at the same place of the same file (the child of a chain
// and its parent) are equal without being read.

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/cancel.h"
#include "page/image_fault.h"
#include "page/stored_image.h"

namespace frazil::page {

// Of a page. zero: all zero in both. cleared: all zero in the second alone. What a checkpoint does not store is absent, not zero.
enum class Change : uint8_t { same, changed, zero, cleared, only_first, only_second };
constexpr size_t kChanges = 6;

struct DiffRun {
  uint64_t vaddr;
  uint64_t pages;
  Change change;
};

struct DiffCounters {
  std::atomic<uint64_t> pages{0};  // looked at so far
  std::atomic<uint64_t> bytes_read{0};
};

struct ImageDiff {
  std::vector<DiffRun> runs;  // ascending, neighbours differ
};

// Either may be nothing: an image that only one of them has.
std::optional<ImageFault> diff_images(const StoredImage* first, const StoredImage* second, DiffCounters& counters,
                                      const Cancel& cancel, ImageDiff* diff) noexcept;

}  // namespace frazil::page
