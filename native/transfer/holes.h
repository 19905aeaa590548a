#pragma once

#include <vector>

#include "page/pagemap.h"

namespace frazil::transfer {

// `entries` with the pages of `same` (sorted, each within an entry) turned into holes for the parent.
page::PagemapWriter with_holes(const page::PagemapWriter& entries, const std::vector<page::PagemapEntry>& same);

}  // namespace frazil::transfer
