#pragma once

// Compression in independent frames: each can be decompressed knowing nothing of the others, and several after one another are a file
// that `zstd -d`, `lz4 -d` or `gzip -d` reads. The libraries are loaded when a codec is opened (docs/adr/0009): none is linked.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "core/result.h"

namespace frazil::compress {

enum class Codec : uint8_t { zstd, lz4, gzip };

// One thread at a time uses an object; several objects may work at once.
class Compressor {
 public:
  Compressor() = default;
  virtual ~Compressor() = default;
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  // Compresses `from` into one frame, with its length (gzip: modulo 2^32) and a checksum in it. `to` has at least frame_bound() bytes;
  // returns how many were used. ENOBUFS when `to` is smaller and too small.
  virtual Result<size_t> frame(std::span<const std::byte> from, std::span<std::byte> to) noexcept = 0;
};

class Decompressor {
 public:
  Decompressor() = default;
  virtual ~Decompressor() = default;
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  // Decompresses exactly one frame, nobody's word about which is trusted: EBADMSG when `from` is not one whole frame, its checksum is
  // wrong, or it holds more than `to`. Returns how many bytes it held.
  virtual Result<size_t> frame(std::span<const std::byte> from, std::span<std::byte> to) noexcept = 0;
};

// zstd: 1 to 22, and negative ones for speed; lz4: 0 to 2 fast, 3 to 12 dense, and negative ones; gzip: 0 (nothing is compressed) to 9. A level that the library does not have
// is taken for the nearest. ELIBACC when the library is not there or too old.
Result<std::unique_ptr<Compressor>> open_compressor(Codec codec, int level) noexcept;
Result<std::unique_ptr<Decompressor>> open_decompressor(Codec codec) noexcept;

// One that makes frames at about the speed of memory, of any content.
constexpr int hastiest_level(Codec codec) noexcept { return codec == Codec::gzip ? 0 : -100; }

// An upper bound for each of the three, above what each of them says itself (tested).
constexpr size_t frame_bound(size_t bytes) noexcept { return bytes + bytes / 128 + 1024; }

}  // namespace frazil::compress
