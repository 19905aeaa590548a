#pragma once

#include <cstdint>

#include "core/cancel.h"
#include "core/result.h"
#include "page/counters.h"

namespace frazil::page {

// Fills the first `bytes` of `file` with zeros and counts them as prepared: finds memory for it now. The first touch of memory that
// a hypervisor has not backed runs at 0.3 GB/s; inside the freeze that would be most of it. By write() and not through a mapping: it is
// as fast, works for files whose pages cannot be populated (before Linux 5.14), and this process stays small.
Result<void> write_zeros(int file, uint64_t bytes, const Cancel& cancel, Counters& counters) noexcept;

// The same for a file on a tmpfs with huge pages, at half the price: the kernel clears all of a huge page when a part of it is written.
// Where it has given small ones after all, it writes them all.
Result<void> touch_huge_pages(int file, uint64_t bytes, const Cancel& cancel, Counters& counters) noexcept;

}  // namespace frazil::page
