#include "transfer/holes.h"

#include <algorithm>

namespace frazil::transfer {

using page::kPageSize;

page::PagemapWriter with_holes(const page::PagemapWriter& map, const std::vector<page::PagemapEntry>& same) {
  page::PagemapWriter holed(map.pages_id());
  auto hole = same.begin();
  for (const page::PagemapEntry& entry : map.entries()) {
    for (uint64_t at = entry.vaddr; at < entry.end();) {
      const bool inside = hole != same.end() && hole->vaddr < entry.end();
      // A hole may have begun in the entry before: neighbours with different flags are different entries.
      const uint64_t from = inside ? std::max(at, hole->vaddr) : entry.end();
      if (from > at) (void)holed.append({at, (from - at) / kPageSize, entry.flags});
      at = from;
      if (!inside) continue;
      const uint64_t end = std::min(hole->end(), entry.end());
      // Whether it may come lazily is said of a hole, too: CRIU at the destination is not to read it before the tree runs.
      (void)holed.append({at, (end - at) / kPageSize, page::kParent | (entry.flags & page::kLazy)});
      at = end;
      if (hole->end() == end) ++hole;
    }
  }
  return holed;
}

}  // namespace frazil::transfer
