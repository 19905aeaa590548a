#pragma once

// The uncompressed stream of an archive file, read anywhere: in place, or out of the frames that the seek table names. What a fault needs is
// one read, or one frame; frames that were opened last are kept (frame_cache.h), because the pages behind a fault are asked for next, and other
// restores of the same file by the same server want the same ones.

#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <span>

#include "archive/frame_cache.h"
#include "archive/seek_table.h"
#include "compress/codec.h"
#include "core/unique_fd.h"

namespace frazil::archive {

class StreamFile {
 public:
  // Sixteen of our frames: more than the pages that a handful of threads is at.
  static constexpr uint64_t kFewBytes = uint64_t{4} << 20;

  // EBADMSG for what is no regular file and for a wrong seek table, ENODATA for a compressed file without one (gzip), ELIBACC without
  // the library of its compression. `kept_bytes`: how much of it is kept decompressed.
  static Result<std::unique_ptr<StreamFile>> open(UniqueFd file, uint64_t kept_bytes = kFewBytes) noexcept;

  uint64_t bytes() const noexcept { return bytes_; }

  // Fills all of `into`. Thread-safe. ENODATA when the stream ends before, ESTALE when somebody has written to the file since it was opened,
  // EBADMSG when a frame is damaged.
  Result<void> read(uint64_t at, std::span<std::byte> into) noexcept;
  // How much of what was read came out of frames that had been decompressed for somebody else.
  uint64_t cached_bytes() const noexcept { return cached_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Decoder {
    std::unique_ptr<compress::Decompressor> codec;
    std::vector<std::byte> packed;
  };

  StreamFile(UniqueFd file, const struct stat& status, uint64_t kept_bytes) noexcept
      : file_(std::move(file)), status_(status), cache_(kept_bytes) {}

  Result<void> open_frames(compress::Codec codec) noexcept;
  Result<void> read_frame(const Frame& frame, uint64_t from, std::span<std::byte> into) noexcept;
  Result<void> unpack(const Frame& frame, std::span<std::byte> into) noexcept;
  Result<void> unpack_with(Decoder& decoder, const Frame& frame, std::span<std::byte> into) noexcept;
  Result<void> check() const noexcept;

  UniqueFd file_;
  struct stat status_;
  uint64_t bytes_ = 0;
  std::optional<compress::Codec> codec_;  // nothing: the file is the stream
  std::vector<Frame> frames_;
  FrameCache cache_;
  std::atomic<uint64_t> cached_bytes_{0};
  std::mutex mutex_;  // of what follows
  std::vector<Decoder> idle_;
};

}  // namespace frazil::archive
