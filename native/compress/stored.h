#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "compress/codec.h"

namespace frazil::compress {

// The longest that fits a gzip block that is not compressed, and the smallest that lz4 gives its blocks.
constexpr size_t kMaxStored = 65535;

// A frame in which `bytes` lie as they are: as long as any other of as many bytes, so that it can be written before its content is
// known and replaced in place. 256 to kMaxStored bytes. Needs no library.
std::vector<std::byte> stored_frame(Codec codec, std::span<const std::byte> bytes);

}  // namespace frazil::compress
