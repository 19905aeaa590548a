#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/result.h"
#include "page/counters.h"
#include "page/wire.h"

namespace frazil::page {

// A stretch of pages that are all zero, or none of which is.
struct ZeroRun {
  size_t pages;
  bool zero;
};

// The first such stretch of `pages` (a multiple of the page size, not empty).
ZeroRun first_run(std::span<const std::byte> pages) noexcept;

// Below this a hole saves less than its extent costs the file system.
constexpr size_t kMinHolePages = 16;

// Writes `pages` to `file` at `offset`, leaving out long stretches of zeros, which become holes when the file is extended.
Result<void> write_sparse(int file, uint64_t offset, std::span<const std::byte> pages, Counters& counters) noexcept;

// Zero pages that follow each other in a file.
struct ZeroStretch {
  uint64_t offset;
  uint64_t pages;
  uint64_t end() const noexcept { return offset + pages * kPageSize; }
};

// Looks at `bytes` of a file from `from` on, which have just been written and are in the page cache, and notes every stretch of zero pages
// that is long enough for a hole, and parts of such stretches that go on outside. One page in each kMinHolePages tells, so this takes no
// time that a frozen tree would notice; a look at each page took 0.07 s per GiB. By read(), not mmap(): a file in somebody's
// directory may be cut short under us, and SIGBUS would take the whole process; this way it is EIO.
Result<void> find_zeros(int file, uint64_t from, uint64_t bytes, Counters& counters,
                        std::vector<ZeroStretch>* found) noexcept;

// Frees long stretches of what was found in a file of `bytes`, and counts them. Sorts `found`. EIO when the file is shorter.
Result<void> punch_zeros(int file, uint64_t bytes, std::vector<ZeroStretch>& found, Counters& counters) noexcept;

}  // namespace frazil::page
