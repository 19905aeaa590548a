#pragma once

// What travels on a page stream of a migration: frames of a fixed head and a bounded body, in one direction. A frame says itself to
// which image and to which place in it its pages belong, so that the streams of one level need no order among themselves; a
// barrier on each of them ends the level. docs/design/migration.md, section 3.

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"
#include "page/image.h"
#include "transfer/page_delta.h"

namespace frazil::transfer {

enum class FrameKind : uint32_t {
  pages = 1,  // the pages as they are
  zero = 2,   // pages that are all zero; no body
  map = 3,    // entries of the image's pagemap: struct MapEntry, in ascending order over the frames of one stream
  lz4 = 5,    // the pages, compressed: smaller than they are
  zstd = 6,
  patched = 7,  // a PatchHead for each page, and a delta (page_delta.h) behind it
  barrier = 4,  // nothing more comes for this level on this stream
};

struct FrameHead {
  uint32_t kind;
  uint32_t level;
  uint64_t image;  // image_key()
  uint64_t first;  // place of the first page in the pages file, in pages
  uint32_t pages;
  uint32_t bytes;  // of the body, without the tag
};
static_assert(sizeof(FrameHead) == 32);

struct MapEntry {
  uint64_t vaddr;
  uint64_t pages;
  uint32_t flags;  // as in pagemap images
  uint32_t padding;
};
static_assert(sizeof(MapEntry) == 24);

// The page that a patched one is made of: of the same image, in an earlier level.
struct PatchHead {
  uint64_t place;  // in the pages file of that level, in pages
  uint32_t level;
  uint32_t bytes;  // of the delta
};
static_assert(sizeof(PatchHead) == 16);
constexpr size_t kMaxPatchBytes = sizeof(PatchHead) + kMaxDeltaBytes;

// As much as a pipe of the page server holds.
constexpr uint32_t kMaxFramePages = 256;
constexpr size_t kMaxMapEntries = 32768;
constexpr size_t kMaxBodyBytes = size_t{1} << 20;
static_assert(kMaxFramePages * page::kPageSize <= kMaxBodyBytes);
static_assert(kMaxFramePages * kMaxPatchBytes <= kMaxBodyBytes);
static_assert(kMaxMapEntries * sizeof(MapEntry) <= kMaxBodyBytes);

uint64_t image_key(const page::ImageId& id) noexcept;
page::ImageId image_of(uint64_t key) noexcept;

// No pages file has more pages.
constexpr uint64_t kMaxFirst = uint64_t{1} << 50;

// Whether an entry of a pagemap can be true.
bool is_sound(const MapEntry& entry) noexcept;

// Whether a head can be true at all: known kind, lengths that fit to it, nothing that overflows.
bool is_plausible(const FrameHead& head) noexcept;

}  // namespace frazil::transfer
