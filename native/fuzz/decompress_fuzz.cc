// libFuzzer target: stream::decompress() and Decompressor::frame() over any bytes. First byte: the codec, and how many of the bytes were read
// already to find out what it is. What comes out goes nowhere: a few bytes may well become gigabytes.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "compress/codec.h"
#include "stream/filter.h"
#include "sys/full_io.h"
#include "sys/memfd.h"

namespace {

using namespace frazil;

constexpr size_t kFrameBytes = size_t{256} << 10;

void expect_verdict(const SysError& error) {
  if (error.number != EBADMSG && error.number != ENODATA) std::abort();
}

void one_frame(compress::Codec codec, std::span<const std::byte> bytes) {
  static std::vector<std::byte> room(kFrameBytes);
  const auto decompressor = compress::open_decompressor(codec).value();
  const auto held = decompressor->frame(bytes, room);
  if (!held.ok()) return expect_verdict(held.error());
  if (held.value() > room.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const UniqueFd from = open_memfd("compressed").value();
  static const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  static const Cancel cancel = Cancel::open().value();
  if (size == 0) return 0;
  const auto codec = static_cast<compress::Codec>(data[0] % 3);
  const std::span bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  const size_t known = std::min<size_t>(bytes.size(), data[0] / 3);
  if (::ftruncate(from.get(), 0) != 0 || !pwrite_full(from.get(), bytes.data(), bytes.size(), 0).ok()) std::abort();
  if (::lseek(from.get(), static_cast<off_t>(known), SEEK_SET) == -1) std::abort();
  stream::Counters counters;
  const stream::Ends ends{from.get(), nowhere.get(), bytes.first(known)};
  if (const auto done = stream::decompress(codec, ends, cancel, counters); !done.ok()) expect_verdict(done.error());
  one_frame(codec, bytes);
  return 0;
}
