// libFuzzer target: what age seals is opened again, and after any change it is not. The first bytes say what happens to the sealed bytes: a
// place, what is done to it, and where they end; the rest, repeated, is what is sealed.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "stream/filter.h"
#include "sys/full_io.h"
#include "sys/memfd.h"

namespace {

using namespace frazil;

constexpr size_t kHeaderBytes = 9;
// Three chunks and a bit.
constexpr size_t kMostBytes = size_t{200} << 10;

using Filter = Result<void> (*)(stream::AgeKey, const stream::Ends&, const Cancel&, stream::Counters&) noexcept;

Result<std::vector<std::byte>> through(Filter filter, std::span<const std::byte> bytes) {
  static const Cancel cancel = Cancel::open().value();
  static const std::array<std::byte, stream::kAgeKeyBytes> key{std::byte{7}};
  const UniqueFd from = open_memfd("from").value();
  const UniqueFd to = open_memfd("to").value();
  if (!pwrite_full(from.get(), bytes.data(), bytes.size(), 0).ok()) std::abort();
  stream::Counters counters;
  const auto done = filter(key, {from.get(), to.get(), {}}, cancel, counters);
  if (!done.ok()) return done.error();
  std::vector<std::byte> made(static_cast<size_t>(::lseek(to.get(), 0, SEEK_END)));
  if (!pread_full(to.get(), made.data(), made.size(), 0).ok()) std::abort();
  return made;
}

size_t number(const uint8_t* bytes) { return size_t{bytes[0]} << 16 | size_t{bytes[1]} << 8 | bytes[2]; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kHeaderBytes) return 0;
  const std::span piece(reinterpret_cast<const std::byte*>(data) + kHeaderBytes, size - kHeaderBytes);
  std::vector<std::byte> plain;
  const size_t wanted = std::min(kMostBytes, piece.size() << (data[0] % 20));
  while (plain.size() < wanted) plain.insert(plain.end(), piece.begin(), piece.end());
  const auto sealed = through(stream::seal_age, plain).value();
  auto opened = through(stream::unseal_age, sealed);
  if (!opened.ok() || opened.value() != plain) std::abort();
  auto changed = sealed;
  changed[number(data + 1) % changed.size()] ^= std::byte{data[4]};
  changed.resize(sealed.size() - number(data + 5) % sealed.size());
  if (data[8] % 8 == 1) changed.insert(changed.end(), sealed.begin(), sealed.begin() + 16);
  const auto after = through(stream::unseal_age, changed);
  if (after.ok() != (changed == sealed)) std::abort();
  if (!after.ok() && after.error().number != EBADMSG && after.error().number != ENODATA) std::abort();
  return 0;
}
