#pragma once

#include <cstdint>
#include <vector>

#include "core/unique_fd.h"
#include "page/pagemap.h"
#include "page/wire.h"

namespace frazil::page {

// One image that is being received: the memory of a task, or a shared memory object. Owned by the Sink; the address stays.
struct Image {
  Image(const ImageId& name, uint32_t pages_id) noexcept : id(name), map(pages_id) {}

  ImageId id;
  PagemapWriter map;
  uint64_t bytes = 0;  // payload so far: where the next run goes in pages-N.img
  bool has_parent = false;
  UniqueFd pages;  // pages-N.img, while somebody writes to it
};

// Where a stretch of an image's payload lies in memory until it is written out.
struct Piece {
  Image* image;
  uint64_t offset;  // in pages-N.img
  uint64_t bytes;
  uint64_t at;  // in the stripe that holds it
};

}  // namespace frazil::page
