#pragma once

// A chain as one level, for a lazy restore: its pagemaps without holes, and beside them pages files that hold only what may not come
// lazily, because CRIU restores that itself. CRIU marks no hole as lazy, so whoever knows the mappings says where that is allowed.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "page/image_fault.h"
#include "page/stored_image.h"

namespace frazil::page {

struct AddressRange {
  uint64_t from;
  uint64_t to;
};

// The runs, cut where they enter or leave `lazy`, which ascends; what is stored and lies in there has kLazy.
std::vector<StoredRun> mark_lazy(const std::vector<StoredRun>& runs, const std::vector<AddressRange>& lazy);

struct StagedImage {
  std::string name;
  std::vector<AddressRange> lazy;
};

// Writes them into `directory`. Faults name the level that is wrong.
std::optional<ImageFault> stage_chain(const std::vector<UniqueFd>& levels, const std::vector<StagedImage>& images,
                                      int directory) noexcept;

// Of `names`, the pagemaps in `directory` that have pages and mark none of them as lazy. Those that cannot be read are not among them.
std::vector<std::string> unmarked(int directory, const std::vector<std::string>& names, const Cancel& cancel) noexcept;

// Marks it in the pagemaps of `directory` themselves; its pages files stay as they are.
std::optional<ImageFault> mark_pagemaps(int directory, const std::vector<StagedImage>& images) noexcept;

}  // namespace frazil::page
