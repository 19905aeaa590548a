#pragma once

#include <cstddef>
#include <cstdint>

#include "core/result.h"

namespace frazil {

// Regular files only: these loop over short counts and cannot be cancelled, so callers bound what they ask for.
Result<void> write_full(int fd, const void* from, size_t bytes) noexcept;
Result<void> pwrite_full(int fd, const void* from, size_t bytes, uint64_t offset) noexcept;
// Fewer than asked for only at the end of the file.
Result<size_t> read_full(int fd, void* to, size_t bytes) noexcept;
Result<size_t> pread_full(int fd, void* to, size_t bytes, uint64_t offset) noexcept;

}  // namespace frazil
