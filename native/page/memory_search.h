#pragma once

// A search for byte patterns in the memory of a checkpoint, through its parents, as the tasks would have seen it: what begins at the
// end of one page and ends in the next is found wherever the two lie in the files. Pages are read, not mapped: a file in somebody's
// directory may be cut short under us, and SIGBUS would take the whole process. They are read in pieces that stay in a
// processor's cache, so that the copy costs little and every pattern after the first nearly nothing.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "page/byte_search.h"
#include "page/image_fault.h"
#include "page/stored_image.h"

namespace frazil::page {

struct SearchOptions {
  uint64_t limit = 0;    // matches, the first ones in the order of images and addresses; not 0
  uint64_t context = 0;  // bytes before and after a match that go with it, where they are stored
  unsigned threads = 1;
};

struct Match {
  uint32_t image;    // index in the names
  uint32_t pattern;  // index in the patterns
  uint64_t vaddr;
  std::string before;
  std::string after;
};

struct SearchCounters {
  std::atomic<uint64_t> bytes{0};  // searched so far
  std::atomic<uint64_t> total{0};  // to be searched
  std::atomic<uint64_t> matches{0};
};

struct SearchOutcome {
  std::optional<ImageFault> fault;  // what was found before it is still there
  std::vector<Match> matches;       // by image, address, pattern
  bool truncated = false;           // there may be more than the limit
};

// Patterns are not empty and not longer than kMaxPattern. Matches may overlap. ECANCELED is a fault.
constexpr size_t kMaxPattern = size_t{64} << 10;
SearchOutcome search_memory(const std::vector<UniqueFd>& levels, const std::vector<std::string>& names,
                            const std::vector<BytePattern>& patterns, const SearchOptions& options,
                            SearchCounters& counters, const Cancel& cancel) noexcept;

}  // namespace frazil::page
