#include "page/zeros.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include "page/wire.h"
#include "sys/full_io.h"

namespace frazil::page {
namespace {

// As much as the kernel puts into one folio, so that it has few of them; a cancel waits for no more than that.
constexpr size_t kChunk = size_t{1} << 20;
const std::array<std::byte, kChunk> kZeros{};

constexpr uint64_t kHugePage = uint64_t{2} << 20;
constexpr uint64_t kStatBlock = 512;

Result<bool> holds(int file, uint64_t bytes) noexcept {
  struct stat status{};
  if (::fstat(file, &status) == -1) return SysError{errno, "fstat"};
  return static_cast<uint64_t>(status.st_blocks) * kStatBlock >= bytes;
}

}  // namespace

Result<void> touch_huge_pages(int file, uint64_t bytes, const Cancel& cancel, Counters& counters) noexcept {
  for (uint64_t at = 0; at < bytes; at += kHugePage) {
    if (cancel.cancelled()) return SysError{ECANCELED, "pwrite"};
    if (auto written = pwrite_full(file, kZeros.data(), kPageSize, at); !written.ok()) return written;
    // The first one tells.
    const auto huge = at == 0 ? holds(file, std::min(bytes, kHugePage)) : Result<bool>(true);
    if (!huge.ok()) return huge.error();
    if (!huge.value()) return write_zeros(file, bytes, cancel, counters);
    counters.add(&Counters::bytes_prepared, std::min(bytes - at, kHugePage));
  }
  const auto whole = holds(file, bytes);
  return whole.ok() && !whole.value() ? write_zeros(file, bytes, cancel, counters) : Result<void>();
}

Result<void> write_zeros(int file, uint64_t bytes, const Cancel& cancel, Counters& counters) noexcept {
  for (uint64_t at = 0; at < bytes;) {
    if (cancel.cancelled()) return SysError{ECANCELED, "pwrite"};
    const uint64_t length = std::min<uint64_t>(kChunk, bytes - at);
    if (auto written = pwrite_full(file, kZeros.data(), length, at); !written.ok()) return written;
    counters.add(&Counters::bytes_prepared, length);
    at += length;
  }
  return {};
}

}  // namespace frazil::page
