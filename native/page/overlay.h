#pragma once

// A level above a checkpoint that differs from it in a few pages: all else is left to the checkpoint, its parent. So bytes in the memory
// of a task are replaced without a copy of its pages, and without a change to the checkpoint.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "page/image_fault.h"
#include "page/stored_image.h"

namespace frazil::page {

// Bytes that replace those at an address. They lie in pages that are stored.
struct Patch {
  uint64_t vaddr;
  std::string bytes;
};

// One image of the level: `patches` ascend and do not overlap; none at all leaves everything to the parent.
struct OverlayImage {
  std::string name;
  std::vector<Patch> patches;
};

// Writes a pagemap and a pages file for each image into `directory`, above `levels`. A patch outside the stored pages is a fault with
// the address, EFAULT.
std::optional<ImageFault> overlay_images(const std::vector<UniqueFd>& levels, const std::vector<OverlayImage>& images,
                                         int directory) noexcept;

// Bytes of the memory of one image. EFAULT, with the address, where they are not stored.
std::optional<ImageFault> read_memory(const StoredImage& image, uint64_t vaddr, std::string* bytes) noexcept;

}  // namespace frazil::page
