#include "transfer/digest_table.h"

#include <algorithm>

namespace frazil::transfer {

using page::kPageSize;

void DigestTable::append(uint64_t vaddr, const PageDigest& digest) {
  if (!runs_.empty() && runs_.back().vaddr + runs_.back().pages * kPageSize == vaddr) {
    ++runs_.back().pages;
  } else {
    runs_.push_back({vaddr, 1, digests_.size()});
  }
  digests_.push_back(digest);
}

const PageDigest* DigestTable::find(uint64_t vaddr) const noexcept {
  const auto after =
      std::partition_point(runs_.begin(), runs_.end(), [&](const Run& run) { return run.vaddr <= vaddr; });
  if (after == runs_.begin()) return nullptr;
  const Run& run = *(after - 1);
  const uint64_t index = (vaddr - run.vaddr) / kPageSize;
  return index < run.pages ? &digests_[run.first + index] : nullptr;
}

}  // namespace frazil::transfer
