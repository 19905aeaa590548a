// Which pages are left to the hasty compressor: those, all of those in long stretches, and no others.

#include <random>
#include <vector>

#include "archive/dense_pages.h"
#include "archive/frame_pool.h"
#include "page/wire.h"
#include "test/tests.h"

namespace frazil {
namespace {

using archive::kFrameBytes;
using archive::kMinDensePages;
using archive::Stretch;
using page::kPageSize;
using Bytes = std::vector<std::byte>;

constexpr size_t kPages = kFrameBytes / kPageSize;

Bytes noise(std::mt19937& random, size_t pages) {
  Bytes bytes(pages * kPageSize);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// 64 letters, as many of each: what a Huffman code makes three quarters of.
Bytes letters(std::mt19937& random, size_t pages) {
  Bytes bytes(pages * kPageSize);
  for (auto& byte : bytes) byte = static_cast<std::byte>('0' + random() % 64);
  return bytes;
}

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

bool cuts(const Bytes& bytes, std::initializer_list<Stretch> wanted) {
  std::vector<Stretch> found;
  archive::cut_dense(bytes, &found);
  return std::equal(found.begin(), found.end(), wanted.begin(), wanted.end(),
                    [](const Stretch& a, const Stretch& b) { return a.bytes == b.bytes && a.dense == b.dense; });
}

}  // namespace

void test_dense_pages(Tests& tests) {
  std::mt19937 random(11);
  tests.run("random pages are dense, others are not", [&] {
    tests.expect(cuts(noise(random, kPages), {{kFrameBytes, true}}));
    for (const Bytes& other : {letters(random, kPages), Bytes(kFrameBytes), Bytes(kFrameBytes, std::byte{7})})
      tests.expect(cuts(other, {{kFrameBytes, false}}));
    tests.expect(cuts({}, {}));
  });
  tests.run("only long stretches of them have frames of their own", [&] {
    const size_t least = kMinDensePages * kPageSize;
    const Bytes before = letters(random, 1);
    const Bytes after = letters(random, 9);
    tests.expect(cuts(joined({before, noise(random, kMinDensePages), after}),
                      {{kPageSize, false}, {least, true}, {after.size(), false}}));
    tests.expect(cuts(joined({before, noise(random, kMinDensePages - 1), after}), {{least + after.size(), false}}));
  });
  tests.run("what is no whole page goes with others", [&] {
    Bytes bytes = noise(random, kMinDensePages);
    bytes.resize(bytes.size() + 100, std::byte{1});
    tests.expect(cuts(bytes, {{kMinDensePages * kPageSize, true}, {100, false}}));
    tests.expect(cuts(Bytes(100), {{100, false}}));
  });
  tests.run("random pages that are there twice are left to whoever finds such things", [&] {
    const Bytes once = noise(random, kPages / 2);
    tests.expect(cuts(joined({once, once}), {{kFrameBytes, false}}));
  });
  tests.run("a header that all have says nothing", [&] {
    Bytes pages = noise(random, kPages);
    for (size_t at = 0; at < pages.size(); at += kPageSize)
      std::fill_n(pages.begin() + static_cast<long>(at), 8, std::byte{1});
    tests.expect(cuts(pages, {{kFrameBytes, true}}));
  });
}

}  // namespace frazil
