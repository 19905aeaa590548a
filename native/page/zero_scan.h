#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"
#include "page/counters.h"

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

// Frees long stretches of zeros that are in the file already; `pages` is what was read from `offset`.
Result<void> punch_zero_runs(int file, uint64_t offset, std::span<const std::byte> pages, Counters& counters) noexcept;

}  // namespace frazil::page
