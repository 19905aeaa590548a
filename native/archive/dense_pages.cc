#include "archive/dense_pages.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "archive/frame_pool.h"
#include "page/wire.h"

namespace frazil::archive {
namespace {

using page::kPageSize;

// Eight pieces of a cache line in each page, evenly.
constexpr size_t kPieces = 8;
constexpr size_t kPieceBytes = 64;
constexpr size_t kSampled = kPieces * kPieceBytes;

// The squares of the counts of 256 values among 512 random bytes add up to 1534 on the average, with a deviation of 45, and a word that says
// what the page is adds 60; bytes of 7.7 bits, where a Huffman code begins to save something, are at this.
constexpr uint32_t kMostSquares = 1750;

bool looks_random(const std::byte* page) noexcept {
  // Two tables: the next byte need not wait for the count of the last, which may be the same one.
  std::array<uint16_t, 256> counts[2]{};
  for (size_t piece = 0; piece < kPieces; ++piece) {
    const std::byte* const from = page + piece * (kPageSize / kPieces);
    for (size_t i = 0; i < kPieceBytes; i += 2) {
      ++counts[0][static_cast<uint8_t>(from[i])];
      ++counts[1][static_cast<uint8_t>(from[i + 1])];
    }
  }
  uint32_t squares = 0;
  for (size_t value = 0; value < counts[0].size(); ++value) {
    const uint32_t count = counts[0][value] + counts[1][value];
    squares += count * count;
  }
  return squares <= kMostSquares;
}

// The first word of each piece of each page that looks random: pages that are there twice share all of theirs, others perhaps a header.
class Words {
 public:
  // Whether half of the page's, or more, were there before.
  bool add(const std::byte* page) noexcept {
    size_t seen = 0;
    for (size_t piece = 0; piece < kPieces; ++piece) {
      uint64_t word;
      std::memcpy(&word, page + piece * (kPageSize / kPieces), sizeof word);
      uint64_t& slot = slots_[word * kMixer >> kShift];
      seen += slot == word ? 1 : 0;
      slot = word;
    }
    return seen >= kPieces / 2;
  }

 private:
  static constexpr uint64_t kMixer = 0x9e3779b97f4a7c15;
  static constexpr unsigned kBits = 11;  // four times the words of a frame
  static constexpr unsigned kShift = 64 - kBits;
  std::array<uint64_t, size_t{1} << kBits> slots_{};
};

static_assert(kSampled * 8 == kPageSize);

void append(std::vector<Stretch>* stretches, size_t bytes, bool dense) noexcept {
  if (!stretches->empty() && stretches->back().dense == dense) {
    stretches->back().bytes += bytes;
  } else {
    stretches->push_back({bytes, dense});
  }
}

}  // namespace

void cut_dense(std::span<const std::byte> bytes, std::vector<Stretch>* stretches) noexcept {
  stretches->clear();
  const size_t pages = bytes.size() / kPageSize;
  std::array<bool, kFrameBytes / kPageSize> random{};
  Words words;
  bool repeats = false;
  for (size_t page = 0; page < pages; ++page) {
    const std::byte* const at = bytes.data() + page * kPageSize;
    random[page] = looks_random(at);
    repeats = repeats || (random[page] && words.add(at));
  }
  for (size_t page = 0; page < pages && !repeats;) {
    size_t end = page + 1;
    while (end < pages && random[end] == random[page]) ++end;
    append(stretches, (end - page) * kPageSize, random[page] && end - page >= kMinDensePages);
    page = end;
  }
  size_t cut = 0;
  for (const Stretch& stretch : *stretches) cut += stretch.bytes;
  if (cut < bytes.size()) append(stretches, bytes.size() - cut, false);
}

}  // namespace frazil::archive
