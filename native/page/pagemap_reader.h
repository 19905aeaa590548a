#pragma once

// The messages of a pagemap image one after the other, with a buffer of constant size. What they mean together (sorted, sound)
// is for read_pagemap(); what they hold, letter by letter, is what print_pagemap() wants.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "page/image_fault.h"

namespace frazil::page {

// The fields of a message by their numbers, those that are there. All are varints, none is repeated; the last one counts.
constexpr size_t kPagemapFields = 6;
using PagemapFields = std::array<std::optional<uint64_t>, kPagemapFields>;

class PagemapReader {
 public:
  // Reads from the position of `file`, borrowed.
  explicit PagemapReader(int file) noexcept : file_(file) {}
  PagemapReader(const PagemapReader&) = delete;
  PagemapReader& operator=(const PagemapReader&) = delete;

  // The magic numbers, and what comes before the entries. False, with fault(), when they are not there.
  bool head(PagemapFields* fields) noexcept;
  // The next entry. False at the end, and at a fault().
  bool next(PagemapFields* fields) noexcept;

  // Flaw, offset and error; the caller knows the name.
  const std::optional<ImageFault>& fault() const noexcept { return fault_; }
  // Where the message that was read last begins.
  uint64_t offset() const noexcept { return message_; }

 private:
  // Read in pieces: what is kept then follows from entries that are really there, not from the length that a sparse file claims.
  static constexpr size_t kBufferBytes = size_t{64} << 10;

  bool take(void* to, size_t bytes) noexcept;
  bool at_end() noexcept { return from_ == until_ && !refill(); }
  bool refill() noexcept;
  bool message(PagemapFields* fields, size_t known) noexcept;
  bool fail(Flaw flaw) noexcept;

  int file_;
  uint64_t position_ = 0;  // of the first byte that was not taken
  uint64_t message_ = 0;
  size_t from_ = 0;
  size_t until_ = 0;
  std::optional<ImageFault> fault_;
  std::array<uint8_t, kBufferBytes> buffer_;
};

}  // namespace frazil::page
