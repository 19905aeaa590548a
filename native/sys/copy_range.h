#pragma once

// Copies between regular files by the kernel, and the map of what in a file is data.

#include <cstdint>
#include <utility>

#include "core/result.h"

namespace frazil {

// copy_file_range(2), which shares blocks where the file system can; by hand where it cannot (two file systems of different
// kinds). EIO when `in` ends before `bytes`.
Result<void> copy_range(int in, uint64_t from, int out, uint64_t to, uint64_t bytes) noexcept;

// The first stretch of data of `file` in [from, until), as its begin and end; {until, until} when there is none. A file system
// that knows no holes says that all is data.
Result<std::pair<uint64_t, uint64_t>> next_data(int file, uint64_t from, uint64_t until) noexcept;

}  // namespace frazil
