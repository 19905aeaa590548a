#pragma once

// Decompression of what anybody has written: one frame without a length, many, or frames that are to be skipped, in pieces of any size.
// codec.h has what we write ourselves.

#include <cstddef>
#include <memory>
#include <span>

#include "compress/codec.h"
#include "core/result.h"

namespace frazil::compress {

// One thread at a time. Memory is bounded: what needs a window of more than 128 MiB is refused.
class StreamDecoder {
 public:
  struct Step {
    size_t used;
    size_t made;
    // Nothing is pending: a stream that ends here is whole.
    bool whole;
  };

  StreamDecoder() = default;
  virtual ~StreamDecoder() = default;
  StreamDecoder(const StreamDecoder&) = delete;
  StreamDecoder& operator=(const StreamDecoder&) = delete;

  // As far as `from` and `to` reach; used and made are 0 only when one of the two is empty. EBADMSG when it is damaged.
  virtual Result<Step> decode(std::span<const std::byte> from, std::span<std::byte> to) noexcept = 0;
};

// ELIBACC when the library is not there or too old.
Result<std::unique_ptr<StreamDecoder>> open_stream_decoder(Codec codec) noexcept;

Result<std::unique_ptr<StreamDecoder>> open_zstd_stream() noexcept;
Result<std::unique_ptr<StreamDecoder>> open_lz4_stream() noexcept;
Result<std::unique_ptr<StreamDecoder>> open_gzip_stream() noexcept;

}  // namespace frazil::compress
