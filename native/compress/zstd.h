#pragma once

#include "compress/codec.h"

namespace frazil::compress {

Result<std::unique_ptr<Compressor>> open_zstd_compressor(int level) noexcept;
Result<std::unique_ptr<Decompressor>> open_zstd_decompressor() noexcept;

}  // namespace frazil::compress
