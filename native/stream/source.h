#pragma once

#include <cstddef>
#include <span>

#include "core/cancel.h"
#include "core/result.h"
#include "stream/filter.h"

namespace frazil::stream {

// What a filter reads: the prefix, then the fd.
class Source {
 public:
  explicit Source(const Ends& ends) noexcept : from_(ends.from), prefix_(ends.prefix) {}
  // Something, or 0 at the end.
  Result<size_t> some(std::span<std::byte> to, const Cancel& cancel) noexcept;
  // As much as there is room for, less only at the end.
  Result<size_t> full(std::span<std::byte> to, const Cancel& cancel) noexcept;

 private:
  int from_;
  std::span<const std::byte> prefix_;
};

}  // namespace frazil::stream
