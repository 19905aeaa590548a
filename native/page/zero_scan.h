#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/cancel.h"
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

// Finds the zero pages of a file of `bytes` and frees long stretches of them. By read(), not mmap(): a file in somebody's directory may
// be cut short under us, and SIGBUS would take the whole process; this way it is EIO.
Result<void> punch_zeros(int file, uint64_t bytes, const Cancel& cancel, Counters& counters) noexcept;

}  // namespace frazil::page
