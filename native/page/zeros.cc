#include "page/zeros.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include "sys/full_io.h"

namespace frazil::page {
namespace {

// As much as the kernel puts into one folio, so that it has few of them; a cancel waits for no more than that.
constexpr size_t kChunk = size_t{1} << 20;
const std::array<std::byte, kChunk> kZeros{};

}  // namespace

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
