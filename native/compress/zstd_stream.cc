// libzstd's own streaming: frames of any kind one after the other, skippable ones included.

#include "compress/stream.h"
#include "sys/shared_library.h"

namespace frazil::compress {
namespace {

struct Context;    // ZSTD_DCtx
struct InBuffer {  // ZSTD_inBuffer
  const void* from;
  size_t bytes;
  size_t used;
};
struct OutBuffer {  // ZSTD_outBuffer
  void* to;
  size_t bytes;
  size_t made;
};

class ZstdStream final : public StreamDecoder {
 public:
  explicit ZstdStream(SharedLibrary library) noexcept : library_(std::move(library)) {}
  ~ZstdStream() override {
    if (context_ != nullptr) (void)free_(context_);
  }

  Result<void> open() noexcept {
    Context* (*create)() = nullptr;
    const bool found = library_.find("ZSTD_createDCtx", create) && library_.find("ZSTD_freeDCtx", free_) &&
                       library_.find("ZSTD_decompressStream", step_) && library_.find("ZSTD_isError", is_error_);
    if (!found) return SysError{ELIBACC, "dlsym"};
    // Its default limit of the window is 128 MiB.
    context_ = create();
    if (context_ == nullptr) return SysError{ENOMEM, "ZSTD_createDCtx"};
    return {};
  }

  Result<Step> decode(std::span<const std::byte> from, std::span<std::byte> to) noexcept override {
    InBuffer in{from.data(), from.size(), 0};
    OutBuffer out{to.data(), to.size(), 0};
    // 0: a frame has ended and all of it is in `out`.
    const size_t left = step_(context_, &out, &in);
    if (is_error_(left) != 0) return SysError{EBADMSG, "ZSTD_decompressStream"};
    return Step{in.used, out.made, left == 0};
  }

 private:
  SharedLibrary library_;
  size_t (*free_)(Context*) = nullptr;
  size_t (*step_)(Context*, OutBuffer*, InBuffer*) = nullptr;
  unsigned (*is_error_)(size_t) = nullptr;
  Context* context_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<StreamDecoder>> open_zstd_stream() noexcept {
  auto library = SharedLibrary::open("libzstd.so.1");
  if (!library.ok()) return library.error();
  auto opened = std::make_unique<ZstdStream>(std::move(library).value());
  if (auto ready = opened->open(); !ready.ok()) return ready.error();
  return std::unique_ptr<StreamDecoder>(std::move(opened));
}

}  // namespace frazil::compress
