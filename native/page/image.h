#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/unique_fd.h"
#include "page/pagemap.h"
#include "page/wire.h"

namespace frazil::page {

// One image that is being received: the memory of a task, or a shared memory object. Owned by the Receiver; the address stays.
struct Image {
  Image(const ImageId& name, uint32_t pages_id) noexcept : id(name), map(pages_id) {}

  ImageId id;
  PagemapWriter map;
  uint64_t bytes = 0;  // payload so far: where the next run goes in pages-N.img
  bool has_parent = false;
  uint64_t start = 0;  // where the payload begins in an archive
  UniqueFd pages;  // pages-N.img, while the store writes to it as pages come
};

// Whole pages of one image on their way into a store: what `pipe` holds, then `rest`. Pages that a peer writes in odd pieces fill
// a pipe's slots before its bytes; the rest of the page that then is cut in two is copied by hand.
struct Payload {
  int pipe;
  size_t piped;
  std::span<const std::byte> rest;
  uint64_t offset;  // in pages-N.img
  uint64_t vaddr;   // of its first page; for shared memory the offset in the object
  size_t bytes() const noexcept { return piped + rest.size(); }
};

// Where a stretch of an image's payload lies in memory until it is written out.
struct Piece {
  Image* image;
  uint64_t offset;  // in pages-N.img
  uint64_t bytes;
  uint64_t at;  // in the stripe that holds it
};

}  // namespace frazil::page
