#include "compress/stored.h"

#include <cstdint>
#include <initializer_list>

namespace frazil::compress {
namespace {

using Bytes = std::vector<std::byte>;

void put(Bytes& frame, std::initializer_list<unsigned> bytes) {
  for (const unsigned byte : bytes) frame.push_back(static_cast<std::byte>(byte));
}

void put_little(Bytes& frame, uint64_t value, size_t width) {
  for (size_t i = 0; i < width; ++i) frame.push_back(static_cast<std::byte>(value >> (8 * i)));
}

// RFC 8878: a single segment whose size is told in two bytes, less 256; no checksum; one raw block, which is the last.
void zstd_around(Bytes& frame, std::span<const std::byte> bytes) {
  put(frame, {0x28, 0xb5, 0x2f, 0xfd, 0x60});
  put_little(frame, bytes.size() - 256, 2);
  put_little(frame, bytes.size() << 3 | 1, 3);
  frame.insert(frame.end(), bytes.begin(), bytes.end());
}

// lz4_Frame_format.md: version 1, independent blocks of up to 64 KiB, no size, no checksums (0x82 is that of these two bytes);
// one block with the bit "not compressed", and the mark of the end.
void lz4_around(Bytes& frame, std::span<const std::byte> bytes) {
  put(frame, {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82});
  put_little(frame, bytes.size() | 0x80000000U, 4);
  frame.insert(frame.end(), bytes.begin(), bytes.end());
  put_little(frame, 0, 4);
}

// Bit by bit: for a few KiB an image, a table would not pay.
uint32_t crc32(std::span<const std::byte> bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const std::byte byte : bytes) {
    crc ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320U : 0);
  }
  return ~crc;
}

// RFC 1952 and 1951: no name, no time, made on Unix; one stored block, which is the last.
void gzip_around(Bytes& frame, std::span<const std::byte> bytes) {
  put(frame, {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1});
  put_little(frame, bytes.size(), 2);
  put_little(frame, ~bytes.size(), 2);
  frame.insert(frame.end(), bytes.begin(), bytes.end());
  put_little(frame, crc32(bytes), 4);
  put_little(frame, bytes.size(), 4);
}

}  // namespace

std::vector<std::byte> stored_frame(Codec codec, std::span<const std::byte> bytes) {
  Bytes frame;
  frame.reserve(bytes.size() + 32);
  if (codec == Codec::zstd) zstd_around(frame, bytes);
  if (codec == Codec::lz4) lz4_around(frame, bytes);
  if (codec == Codec::gzip) gzip_around(frame, bytes);
  return frame;
}

}  // namespace frazil::compress
