#pragma once

// Whether a chain of images directories has all the pages that its newest level promises, and the clean-up that `criu dedup` does.
// No page is read for either.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "page/image_fault.h"
#include "page/stored_image.h"

namespace frazil::page {

struct ChainCounters {
  std::atomic<uint64_t> images{0};
  std::atomic<uint64_t> runs{0};
  std::atomic<uint64_t> pages{0};         // with bytes, wherever they lie
  std::atomic<uint64_t> parent_pages{0};  // of these, in a parent
  std::atomic<uint64_t> deduplicated_pages{0};
};

// Every fault of `names` in the newest level and in what their holes stand on, at most `limit`. ECANCELED is one of them.
std::vector<ImageFault> verify_chain(const std::vector<UniqueFd>& levels, const std::vector<std::string>& names,
                                     size_t limit, ChainCounters& counters, const Cancel& cancel) noexcept;

// Frees in every ancestor what `directory` has pages of its own for. Irreversible: an ancestor cannot be restored afterwards.
// Nothing is freed when the chain has a fault.
std::optional<ImageFault> dedup_chain(std::vector<UniqueFd> levels, const std::vector<std::string>& names,
                                      ChainCounters& counters, const Cancel& cancel) noexcept;

}  // namespace frazil::page
