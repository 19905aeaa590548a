#include "compress/stream.h"

namespace frazil::compress {

Result<std::unique_ptr<StreamDecoder>> open_stream_decoder(Codec codec) noexcept {
  switch (codec) {
    case Codec::zstd:
      return open_zstd_stream();
    case Codec::lz4:
      return open_lz4_stream();
    case Codec::gzip:
      return open_gzip_stream();
  }
  return SysError{EINVAL, "dlopen"};
}

}  // namespace frazil::compress
