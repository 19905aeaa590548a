#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace frazil::archive {

// Part of what a frame could hold. `dense`: nobody would save anything there.
struct Stretch {
  size_t bytes;
  bool dense;
};

// A processor spends most of its time on what cannot be compressed: zstd 3 makes 0.4 GB/s of random bytes here and 2.5 GB/s of others. So
// pages that look random get frames of their own, from a compressor that gives up at once. Guessed from an eighth of each page: bytes that
// are about equally frequent, and hardly a word that is there twice. A wrong guess costs size, or time, and nothing else.
//
// A frame costs a header, a checksum, and what its pages might have had in common with their neighbours.
constexpr size_t kMinDensePages = 16;

// Cuts `bytes` (at most kFrameBytes) into stretches, dense ones of kMinDensePages and more.
void cut_dense(std::span<const std::byte> bytes, std::vector<Stretch>* stretches) noexcept;

}  // namespace frazil::archive
