// liblz4.so.1: its frame format, not its raw blocks, so that `lz4 -d` reads what we write. The prototypes are ours; the structs are part
// of the library's stable interface since 1.8.2 (2018).

#include "compress/lz4.h"

#include "sys/shared_library.h"

namespace frazil::compress {
namespace {

constexpr const char* kLibrary = "liblz4.so.1";

// LZ4F_frameInfo_t and LZ4F_preferences_t.
struct FrameInfo {
  int block_size_id;
  int block_mode;
  int content_checksum;
  int frame_type;
  unsigned long long content_size;
  unsigned dictionary_id;
  int block_checksum;
};
struct Preferences {
  FrameInfo frame;
  int level;
  unsigned auto_flush;
  unsigned favor_decompression;
  unsigned reserved[3];
};
static_assert(sizeof(FrameInfo) == 32 && sizeof(Preferences) == 56);

constexpr int kBlocksOf4MiB = 7;  // the largest; the library takes the smallest that holds the whole input
constexpr int kBlocksIndependent = 1;
constexpr unsigned kVersion = 100;  // LZ4F_VERSION

struct Context;  // LZ4F_dctx

class Lz4Compressor final : public Compressor {
 public:
  Lz4Compressor(SharedLibrary library, int level) noexcept : library_(std::move(library)), level_(level) {}

  Result<void> open() noexcept {
    const bool found = library_.find("LZ4F_compressFrame", compress_) && library_.find("LZ4F_isError", is_error_);
    return found ? Result<void>() : SysError{ELIBACC, "dlsym"};
  }

  Result<size_t> frame(std::span<const std::byte> from, std::span<std::byte> to) noexcept override {
    const Preferences preferences{{kBlocksOf4MiB, kBlocksIndependent, 1, 0, from.size(), 0, 0}, level_, 1, 0, {}};
    const size_t bytes = compress_(to.data(), to.size(), from.data(), from.size(), &preferences);
    if (is_error_(bytes) != 0) return SysError{ENOBUFS, "LZ4F_compressFrame"};
    return bytes;
  }

 private:
  SharedLibrary library_;
  int level_;
  size_t (*compress_)(void*, size_t, const void*, size_t, const Preferences*) = nullptr;
  unsigned (*is_error_)(size_t) = nullptr;
};

class Lz4Decompressor final : public Decompressor {
 public:
  explicit Lz4Decompressor(SharedLibrary library) noexcept : library_(std::move(library)) {}
  ~Lz4Decompressor() override {
    if (context_ != nullptr) (void)free_(context_);
  }

  Result<void> open() noexcept {
    size_t (*create)(Context**, unsigned) = nullptr;
    const bool found = library_.find("LZ4F_createDecompressionContext", create) &&
                       library_.find("LZ4F_freeDecompressionContext", free_) &&
                       library_.find("LZ4F_resetDecompressionContext", reset_) &&
                       library_.find("LZ4F_decompress", decompress_) && library_.find("LZ4F_isError", is_error_);
    if (!found) return SysError{ELIBACC, "dlsym"};
    if (is_error_(create(&context_, kVersion)) != 0) return SysError{ENOMEM, "LZ4F_createDecompressionContext"};
    return {};
  }

  // 0 says that the frame has ended. Anything else: it is cut off, or more than we have room for.
  Result<size_t> frame(std::span<const std::byte> from, std::span<std::byte> to) noexcept override {
    reset_(context_);
    size_t given = to.size();
    size_t taken = from.size();
    const size_t more = decompress_(context_, to.data(), &given, from.data(), &taken, nullptr);
    if (more != 0 || taken != from.size() || taken == 0) return SysError{EBADMSG, "LZ4F_decompress"};
    return given;
  }

 private:
  SharedLibrary library_;
  size_t (*free_)(Context*) = nullptr;
  void (*reset_)(Context*) = nullptr;
  size_t (*decompress_)(Context*, void*, size_t*, const void*, size_t*, const void*) = nullptr;
  unsigned (*is_error_)(size_t) = nullptr;
  Context* context_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Compressor>> open_lz4_compressor(int level) noexcept {
  auto library = SharedLibrary::open(kLibrary);
  if (!library.ok()) return library.error();
  auto opened = std::make_unique<Lz4Compressor>(std::move(library).value(), level);
  if (auto ready = opened->open(); !ready.ok()) return ready.error();
  return std::unique_ptr<Compressor>(std::move(opened));
}

Result<std::unique_ptr<Decompressor>> open_lz4_decompressor() noexcept {
  auto library = SharedLibrary::open(kLibrary);
  if (!library.ok()) return library.error();
  auto opened = std::make_unique<Lz4Decompressor>(std::move(library).value());
  if (auto ready = opened->open(); !ready.ok()) return ready.error();
  return std::unique_ptr<Decompressor>(std::move(opened));
}

}  // namespace frazil::compress
