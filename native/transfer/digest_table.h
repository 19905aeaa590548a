#pragma once

#include <cstdint>
#include <vector>

#include "transfer/page_digest.h"

namespace frazil::transfer {

// What the destination has of one image after a level: for each page, where it lies in the address space and its digest. Filled in
// ascending order; 16 bytes per page, and some per run of pages.
class DigestTable {
 public:
  // After all that was appended before.
  void append(uint64_t vaddr, const PageDigest& digest);
  // Null when the destination has no such page.
  const PageDigest* find(uint64_t vaddr) const noexcept;
  size_t pages() const noexcept { return digests_.size(); }

 private:
  struct Run {
    uint64_t vaddr;
    uint64_t pages;
    size_t first;  // in digests_
  };
  std::vector<Run> runs_;
  std::vector<PageDigest> digests_;
};

}  // namespace frazil::transfer
