#pragma once

// Compression of pages on their way. Frame by frame: each is compressed for itself, or not at all.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "compress/codec.h"
#include "transfer/frame.h"

namespace frazil::transfer {

struct Packing {
  compress::Codec codec;  // lz4 or zstd
  int level;
  // Whether every frame is tried. Else only while the link is slower than the compressor, as both are measured.
  bool always;
};

// Of one sending thread.
class Packer {
 public:
  // ELIBACC without the library.
  static Result<Packer> open(const Packing& packing) noexcept;

  // `pages` compressed, good until the next call; empty when they are to travel as they are. What it gives is smaller than `pages`.
  std::span<std::byte> pack(std::span<const std::byte> pages) noexcept;
  FrameKind kind() const noexcept;
  // How long the link has taken for a body.
  void sent(size_t bytes, uint64_t ns) noexcept;

 private:
  Packer(std::unique_ptr<compress::Compressor> compressor, const Packing& packing)
      : compressor_(std::move(compressor)), packing_(packing), packed_(compress::frame_bound(kMaxBodyBytes)) {}
  bool is_worth_it() noexcept;

  std::unique_ptr<compress::Compressor> compressor_;
  Packing packing_;
  std::vector<std::byte> packed_;
  // Means that forget slowly, per byte of pages; the link's per byte on it.
  double link_ns_ = 0;
  double pack_ns_ = 0;
  double ratio_ = 0;
  unsigned untried_ = 0;  // frames since the last that was packed
};

// Of one receiving thread; opens what it needs when it comes.
class Unpacker {
 public:
  // Exactly `pages` pages, good until the next call. EPROTO when they are not in `body`, ELIBACC without the library.
  Result<std::span<const std::byte>> unpack(FrameKind kind, std::span<const std::byte> body, uint32_t pages) noexcept;

  // Where so many pages can be made, good until the next call.
  std::span<std::byte> room(uint32_t pages) noexcept;

 private:
  Result<compress::Decompressor*> decompressor(FrameKind kind) noexcept;

  std::unique_ptr<compress::Decompressor> lz4_;
  std::unique_ptr<compress::Decompressor> zstd_;
  std::vector<std::byte> pages_;
};

}  // namespace frazil::transfer
