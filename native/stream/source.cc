#include "stream/source.h"

#include <algorithm>

#include "stream/ends.h"

namespace frazil::stream {

Result<size_t> Source::some(std::span<std::byte> to, const Cancel& cancel) noexcept {
  if (prefix_.empty()) {
    int64_t own_position = -1;
    return read_some(from_, &own_position, to.data(), to.size(), cancel);
  }
  const size_t bytes = std::min(prefix_.size(), to.size());
  std::copy_n(prefix_.begin(), bytes, to.begin());
  prefix_ = prefix_.subspan(bytes);
  return bytes;
}

Result<size_t> Source::full(std::span<std::byte> to, const Cancel& cancel) noexcept {
  size_t filled = 0;
  while (filled < to.size()) {
    auto got = some(to.subspan(filled), cancel);
    if (!got.ok()) return got;
    if (got.value() == 0) break;
    filled += got.value();
  }
  return filled;
}

}  // namespace frazil::stream
