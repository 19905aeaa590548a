#pragma once

// What was sent of pages that are sent again and again, and where it lies at the destination: what a later difference is made against. Bounded:
// each page has one place in it, by its address, as in QEMU's cache of xbzrle, and a page that was sent in the level before keeps it, so that a
// working set larger than this is partly in it instead of chasing itself through. Memory is taken when it is first needed.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/result.h"
#include "transfer/page_delta.h"

namespace frazil::transfer {

// A page of an image, and where the destination has it.
struct SentPage {
  uint64_t image;  // image_key()
  uint64_t vaddr;
  uint32_t level;
  uint64_t place;  // in the pages file of that level, in pages
};

struct DeltaBase {
  uint32_t level;
  uint64_t place;
};

// Thread-safe, for different pages.
class SentPages {
 public:
  // Of at most so many bytes of pages, at least one page; 32 bytes for each of them come on top. ENOMEM.
  static Result<std::unique_ptr<SentPages>> open(uint64_t bytes) noexcept;
  ~SentPages();
  SentPages(const SentPages&) = delete;
  SentPages& operator=(const SentPages&) = delete;

  struct Delta {
    DeltaBase base;
    size_t bytes;  // more than kMaxDeltaBytes: it is another page altogether
  };
  // From now on the destination has `now` there. How it differs from what was there before, when that is known.
  std::optional<Delta> renew(const SentPage& page, ConstPage now, DeltaBytes into) noexcept;
  // The destination has something else there.
  void forget(uint64_t image, uint64_t vaddr) noexcept;

 private:
  struct Slot {
    uint64_t image = 0;  // no image_key() is 0
    uint64_t vaddr;
    uint32_t level;
    uint64_t place;
  };
  static constexpr size_t kLocks = 64;

  SentPages(std::byte* pages, size_t count) noexcept : slots_(count), pages_(pages) {}
  size_t index_of(uint64_t image, uint64_t vaddr) const noexcept;
  std::mutex& lock_of(size_t index) noexcept { return locks_[index % kLocks]; }
  Page page_at(size_t index) const noexcept;

  std::vector<Slot> slots_;
  std::byte* pages_;  // mapped
  std::array<std::mutex, kLocks> locks_;
};

}  // namespace frazil::transfer
