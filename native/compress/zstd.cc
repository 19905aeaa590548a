// libzstd.so.1. Only what its manual calls stable, and what 1.4.0 (2019) has; the prototypes are ours, as no header is needed to build.

#include "compress/zstd.h"

#include "sys/shared_library.h"

namespace frazil::compress {
namespace {

constexpr const char* kLibrary = "libzstd.so.1";

// ZSTD_cParameter
constexpr int kCompressionLevel = 100;
constexpr int kChecksumFlag = 201;

struct Context;  // ZSTD_CCtx or ZSTD_DCtx

class ZstdCompressor final : public Compressor {
 public:
  explicit ZstdCompressor(SharedLibrary library) noexcept : library_(std::move(library)) {}
  ~ZstdCompressor() override {
    if (context_ != nullptr) (void)free_(context_);
  }

  Result<void> open(int level) noexcept {
    Context* (*create)() = nullptr;
    size_t (*set)(Context*, int, int) = nullptr;
    const bool found = library_.find("ZSTD_createCCtx", create) && library_.find("ZSTD_freeCCtx", free_) &&
                       library_.find("ZSTD_CCtx_setParameter", set) && library_.find("ZSTD_compress2", compress_) &&
                       library_.find("ZSTD_isError", is_error_);
    if (!found) return SysError{ELIBACC, "dlsym"};
    context_ = create();
    if (context_ == nullptr) return SysError{ENOMEM, "ZSTD_createCCtx"};
    // It clamps the level itself; a checksum it has always had.
    if (is_error_(set(context_, kCompressionLevel, level)) != 0 || is_error_(set(context_, kChecksumFlag, 1)) != 0)
      return SysError{EINVAL, "ZSTD_CCtx_setParameter"};
    return {};
  }

  Result<size_t> frame(std::span<const std::byte> from, std::span<std::byte> to) noexcept override {
    const size_t bytes = compress_(context_, to.data(), to.size(), from.data(), from.size());
    if (is_error_(bytes) != 0) return SysError{ENOBUFS, "ZSTD_compress2"};
    return bytes;
  }

 private:
  SharedLibrary library_;
  size_t (*free_)(Context*) = nullptr;
  size_t (*compress_)(Context*, void*, size_t, const void*, size_t) = nullptr;
  unsigned (*is_error_)(size_t) = nullptr;
  Context* context_ = nullptr;
};

class ZstdDecompressor final : public Decompressor {
 public:
  explicit ZstdDecompressor(SharedLibrary library) noexcept : library_(std::move(library)) {}
  ~ZstdDecompressor() override {
    if (context_ != nullptr) (void)free_(context_);
  }

  Result<void> open() noexcept {
    Context* (*create)() = nullptr;
    const bool found = library_.find("ZSTD_createDCtx", create) && library_.find("ZSTD_freeDCtx", free_) &&
                       library_.find("ZSTD_decompressDCtx", decompress_) &&
                       library_.find("ZSTD_findFrameCompressedSize", frame_size_) &&
                       library_.find("ZSTD_isError", is_error_);
    if (!found) return SysError{ELIBACC, "dlsym"};
    context_ = create();
    if (context_ == nullptr) return SysError{ENOMEM, "ZSTD_createDCtx"};
    return {};
  }

  // It would decompress several frames as one.
  Result<size_t> frame(std::span<const std::byte> from, std::span<std::byte> to) noexcept override {
    if (frame_size_(from.data(), from.size()) != from.size()) return SysError{EBADMSG, "ZSTD_findFrameCompressedSize"};
    const size_t bytes = decompress_(context_, to.data(), to.size(), from.data(), from.size());
    if (is_error_(bytes) != 0) return SysError{EBADMSG, "ZSTD_decompressDCtx"};
    return bytes;
  }

 private:
  SharedLibrary library_;
  size_t (*free_)(Context*) = nullptr;
  size_t (*decompress_)(Context*, void*, size_t, const void*, size_t) = nullptr;
  size_t (*frame_size_)(const void*, size_t) = nullptr;
  unsigned (*is_error_)(size_t) = nullptr;
  Context* context_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Compressor>> open_zstd_compressor(int level) noexcept {
  auto library = SharedLibrary::open(kLibrary);
  if (!library.ok()) return library.error();
  auto opened = std::make_unique<ZstdCompressor>(std::move(library).value());
  if (auto ready = opened->open(level); !ready.ok()) return ready.error();
  return std::unique_ptr<Compressor>(std::move(opened));
}

Result<std::unique_ptr<Decompressor>> open_zstd_decompressor() noexcept {
  auto library = SharedLibrary::open(kLibrary);
  if (!library.ok()) return library.error();
  auto opened = std::make_unique<ZstdDecompressor>(std::move(library).value());
  if (auto ready = opened->open(); !ready.ok()) return ready.error();
  return std::unique_ptr<Decompressor>(std::move(opened));
}

}  // namespace frazil::compress
