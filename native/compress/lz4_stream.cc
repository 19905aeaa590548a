// liblz4's streaming of its frame format: frames one after the other, skippable ones included.

#include "compress/stream.h"
#include "sys/shared_library.h"

namespace frazil::compress {
namespace {

constexpr unsigned kVersion = 100;  // LZ4F_VERSION

struct Context;  // LZ4F_dctx

class Lz4Stream final : public StreamDecoder {
 public:
  explicit Lz4Stream(SharedLibrary library) noexcept : library_(std::move(library)) {}
  ~Lz4Stream() override {
    if (context_ != nullptr) (void)free_(context_);
  }

  Result<void> open() noexcept {
    size_t (*create)(Context**, unsigned) = nullptr;
    const bool found = library_.find("LZ4F_createDecompressionContext", create) &&
                       library_.find("LZ4F_freeDecompressionContext", free_) &&
                       library_.find("LZ4F_decompress", step_) && library_.find("LZ4F_isError", is_error_);
    if (!found) return SysError{ELIBACC, "dlsym"};
    if (is_error_(create(&context_, kVersion)) != 0) return SysError{ENOMEM, "LZ4F_createDecompressionContext"};
    return {};
  }

  // The answer is how many bytes it would like next: 0 when a frame has ended, and the context then takes another.
  Result<Step> decode(std::span<const std::byte> from, std::span<std::byte> to) noexcept override {
    size_t used = from.size();
    size_t made = to.size();
    const size_t wanted = step_(context_, to.data(), &made, from.data(), &used, nullptr);
    if (is_error_(wanted) != 0) return SysError{EBADMSG, "LZ4F_decompress"};
    return Step{used, made, wanted == 0};
  }

 private:
  SharedLibrary library_;
  size_t (*free_)(Context*) = nullptr;
  size_t (*step_)(Context*, void*, size_t*, const void*, size_t*, const void*) = nullptr;
  unsigned (*is_error_)(size_t) = nullptr;
  Context* context_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<StreamDecoder>> open_lz4_stream() noexcept {
  auto library = SharedLibrary::open("liblz4.so.1");
  if (!library.ok()) return library.error();
  auto opened = std::make_unique<Lz4Stream>(std::move(library).value());
  if (auto ready = opened->open(); !ready.ok()) return ready.error();
  return std::unique_ptr<StreamDecoder>(std::move(opened));
}

}  // namespace frazil::compress
