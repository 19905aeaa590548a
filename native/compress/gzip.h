#pragma once

#include "compress/codec.h"

namespace frazil::compress {

Result<std::unique_ptr<Compressor>> open_gzip_compressor(int level) noexcept;
Result<std::unique_ptr<Decompressor>> open_gzip_decompressor() noexcept;

}  // namespace frazil::compress
