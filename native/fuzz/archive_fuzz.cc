// libFuzzer target: an archive's stream, packed into frames with cuts anywhere, is what comes out again. The first bytes say the codec, how
// many threads, and the cuts; the rest, repeated, is the stream. What has been packed is then damaged at one place: it may be found out, and
// nothing else may happen.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "archive/pack.h"
#include "stream/filter.h"
#include "sys/full_io.h"
#include "sys/memfd.h"

namespace {

using namespace frazil;

constexpr size_t kHeaderBytes = 12;
constexpr size_t kMostBytes = size_t{1} << 20;

std::vector<std::byte> read_all(int file) {
  const off_t size = ::lseek(file, 0, SEEK_END);
  std::vector<std::byte> bytes(static_cast<size_t>(size));
  if (!pread_full(file, bytes.data(), bytes.size(), 0).ok()) std::abort();
  return bytes;
}

UniqueFd holding(std::span<const std::byte> bytes) {
  UniqueFd file = open_memfd("bytes").value();
  if (!pwrite_full(file.get(), bytes.data(), bytes.size(), 0).ok()) std::abort();
  return file;
}

Result<std::vector<std::byte>> unpacked(compress::Codec codec, std::span<const std::byte> packed) {
  static const Cancel cancel = Cancel::open().value();
  const UniqueFd from = holding(packed);
  const UniqueFd to = open_memfd("unpacked").value();
  stream::Counters counters;
  const auto done = stream::decompress(codec, {from.get(), to.get(), {}}, cancel, counters);
  if (!done.ok()) return done.error();
  return read_all(to.get());
}

std::vector<std::byte> packed_of(const archive::Compression& compression, std::span<const std::byte> stream,
                                 std::span<const uint64_t> cuts) {
  static const Cancel cancel = Cancel::open().value();
  const UniqueFd from = holding(stream);
  UniqueFd to = open_memfd("packed").value();
  const UniqueFd kept(::fcntl(to.get(), F_DUPFD_CLOEXEC, 0));
  auto output = archive::Output::open(std::move(to), archive::OutputForm::file).value();
  page::Counters counters;
  if (!archive::pack(compression, from.get(), cuts, output, counters, cancel).ok()) std::abort();
  return read_all(kept.get());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size <= kHeaderBytes) return 0;
  const archive::Compression compression{static_cast<compress::Codec>(data[0] % 3), 1, 1u + data[1] % 3};
  std::vector<std::byte> stream;
  const std::span piece(reinterpret_cast<const std::byte*>(data) + kHeaderBytes, size - kHeaderBytes);
  const size_t wanted = std::min(kMostBytes, piece.size() << (data[2] % 16));
  while (stream.size() < wanted) stream.insert(stream.end(), piece.begin(), piece.end());
  std::vector<uint64_t> cuts;
  for (size_t i = 3; i < 9; i += 2) cuts.push_back((uint64_t{data[i]} << 8 | data[i + 1]) << 5);
  std::sort(cuts.begin(), cuts.end());
  auto packed = packed_of(compression, stream, cuts);
  auto whole = unpacked(compression.codec, packed);
  if (stream.empty() ? whole.ok() && !whole.value().empty() : !whole.ok() || whole.value() != stream) std::abort();
  if (packed.empty()) return 0;
  packed[(size_t{data[9]} << 16 | data[10] << 8 | data[11]) % packed.size()] ^= std::byte{1};
  const auto damaged = unpacked(compression.codec, packed);
  if (!damaged.ok() && damaged.error().number != EBADMSG && damaged.error().number != ENODATA) std::abort();
  return 0;
}
