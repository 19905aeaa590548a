#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace frazil::page {

// Finds one pattern in memory. Two of its bytes, those that are rarest in the memory of programs, are compared 64 places at a time
// in vector registers; only where both fit is the rest looked at. memmem() of glibc hashes pairs of bytes, at 2 to 3 GB/s here;
// this reaches what a processor reads from its cache, whatever the pattern.
class BytePattern {
 public:
  // Not empty.
  explicit BytePattern(std::string bytes) noexcept;

  size_t size() const noexcept { return bytes_.size(); }
  // The first place at or after `from` where it lies in `text`, or text.size().
  size_t find(std::span<const uint8_t> text, size_t from) const noexcept;

 private:
  bool fits(const uint8_t* at) const noexcept;

  std::string bytes_;
  size_t first_;  // the two places that are compared, first_ < second_ unless the pattern is one byte
  size_t second_;
};

}  // namespace frazil::page
