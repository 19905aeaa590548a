#pragma once

// The uncompressed stream of an archive file, read anywhere: in place, or out of the frames that the seek table names. What a fault needs is
// one read, or one frame; frames that were opened last are kept, because the pages behind a fault are asked for next, and other
// restores of the same file by the same server want the same ones.

#include <sys/stat.h>

#include <deque>
#include <memory>
#include <mutex>
#include <span>

#include "archive/seek_table.h"
#include "compress/codec.h"
#include "core/unique_fd.h"

namespace frazil::archive {

class StreamFile {
 public:
  // EBADMSG for what is no regular file and for a wrong seek table, ENODATA for a compressed file without one (gzip), ELIBACC without
  // the library of its compression.
  static Result<std::unique_ptr<StreamFile>> open(UniqueFd file) noexcept;

  uint64_t bytes() const noexcept { return bytes_; }

  // Fills all of `into`. Thread-safe. ENODATA when the stream ends before, ESTALE when somebody has written to the file since it was opened,
  // EBADMSG when a frame is damaged.
  Result<void> read(uint64_t at, std::span<std::byte> into) noexcept;

 private:
  struct Decoder {
    std::unique_ptr<compress::Decompressor> codec;
    std::vector<std::byte> packed;
  };
  struct Opened {
    uint64_t at;
    std::vector<std::byte> content;
  };
  using OpenedPtr = std::shared_ptr<const Opened>;

  StreamFile(UniqueFd file, const struct stat& status) noexcept : file_(std::move(file)), status_(status) {}

  Result<void> open_frames(compress::Codec codec) noexcept;
  Result<void> read_frame(const Frame& frame, uint64_t from, std::span<std::byte> into) noexcept;
  Result<void> unpack(const Frame& frame, std::span<std::byte> into) noexcept;
  Result<void> unpack_with(Decoder& decoder, const Frame& frame, std::span<std::byte> into) noexcept;
  OpenedPtr find(uint64_t at) const noexcept;
  void keep(OpenedPtr opened) noexcept;
  Result<void> check() const noexcept;

  UniqueFd file_;
  struct stat status_;
  uint64_t bytes_ = 0;
  std::optional<compress::Codec> codec_;  // nothing: the file is the stream
  std::vector<Frame> frames_;
  mutable std::mutex mutex_;
  std::vector<Decoder> idle_;
  std::deque<OpenedPtr> opened_;  // the last one first
};

}  // namespace frazil::archive
