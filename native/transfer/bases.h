#pragma once

// The pages of earlier levels at the destination, for those that come as what differs from them. The peer is not trusted: it names a level and
// a place, and what is not there is refused.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/unique_fd.h"
#include "transfer/frame.h"
#include "transfer/page_delta.h"

namespace frazil::transfer {

// Thread-safe but for add().
class Bases {
 public:
  // The next level, whole: its directory, and the number of the pages file of each image_key().
  void add(UniqueFd directory, std::map<uint64_t, uint32_t> files) noexcept;

  // The pages of a patched frame, into as many. EPROTO for a base that is not there, and for records that are none.
  Result<void> apply(const FrameHead& head, std::span<const std::byte> records, std::span<std::byte> pages) noexcept;

 private:
  struct Level {
    UniqueFd directory;
    std::map<uint64_t, uint32_t> files;
  };
  struct Open {
    uint64_t image = 0;
    uint32_t level = 0;
    std::shared_ptr<const UniqueFd> file;
  };
  Result<std::shared_ptr<const UniqueFd>> file_of(uint64_t image, uint32_t level) noexcept;

  std::vector<Level> levels_;
  std::mutex mutex_;
  // As pages of one image mostly come from one or two levels, a few are enough.
  std::array<Open, 16> open_;
  size_t next_ = 0;
};

}  // namespace frazil::transfer
