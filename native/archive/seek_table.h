#pragma once

#include <cstdint>
#include <vector>

#include "core/result.h"

namespace frazil::archive {

// A frame of a compressed archive: where it lies in the file, and which bytes of the stream it holds.
struct Frame {
  uint64_t file_at;
  uint64_t file_bytes;
  uint64_t at;
  uint64_t bytes;
  uint64_t end() const noexcept { return at + bytes; }
};

// What a longer frame promises is refused: ours hold 256 KiB, and a frame must be read as a whole.
constexpr uint64_t kMostFrameBytes = uint64_t{1} << 20;

// The seek table at the end of `file` (docs/design/archive.md, section 2), whose sums are the file's length. ENODATA when there is none,
// EBADMSG when it is wrong.
Result<std::vector<Frame>> read_seek_table(int file, uint64_t file_bytes) noexcept;

}  // namespace frazil::archive
