#include "compress/codec.h"

#include "compress/gzip.h"
#include "compress/lz4.h"
#include "compress/zstd.h"

namespace frazil::compress {

Result<std::unique_ptr<Compressor>> open_compressor(Codec codec, int level) noexcept {
  switch (codec) {
    case Codec::zstd:
      return open_zstd_compressor(level);
    case Codec::lz4:
      return open_lz4_compressor(level);
    case Codec::gzip:
      return open_gzip_compressor(level);
  }
  return SysError{EINVAL, "dlopen"};
}

Result<std::unique_ptr<Decompressor>> open_decompressor(Codec codec) noexcept {
  switch (codec) {
    case Codec::zstd:
      return open_zstd_decompressor();
    case Codec::lz4:
      return open_lz4_decompressor();
    case Codec::gzip:
      return open_gzip_decompressor();
  }
  return SysError{EINVAL, "dlopen"};
}

}  // namespace frazil::compress
