// zlib: the one of the node program, which exports it for addons, or else libz.so.1. The prototypes and z_stream are ours: a stable
// interface since 1.2.0 (2003), which checks the struct's size itself.

#include "compress/gzip.h"

#include <algorithm>

#include "sys/shared_library.h"

namespace frazil::compress {
namespace {

constexpr const char* kLibrary = "libz.so.1";

struct Stream {  // z_stream
  const void* next_in;
  unsigned avail_in;
  unsigned long total_in;
  void* next_out;
  unsigned avail_out;
  unsigned long total_out;
  const char* message;
  void* state;
  void* allocate;
  void* release;
  void* opaque;
  int data_type;
  unsigned long checksum;
  unsigned long reserved;
};

constexpr int kFinish = 4;
constexpr int kStreamEnd = 1;
constexpr int kDeflated = 8;
constexpr int kGzipWindow = 15 + 16;  // the largest window, with gzip's header and trailer
constexpr int kMemoryLevel = 8;
constexpr const char* kVersion = "1.2.0";  // only the first character is compared

class Gzip {
 public:
  explicit Gzip(SharedLibrary library) noexcept : library_(std::move(library)) {}
  ~Gzip() {
    if (stream_.state != nullptr) (void)end_(&stream_);
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  Result<void> open_deflate(int level) noexcept {
    int (*init)(Stream*, int, int, int, int, int, const char*, int) = nullptr;
    const bool found = library_.find("deflateInit2_", init) && library_.find("deflate", step_) &&
                       library_.find("deflateReset", reset_) && library_.find("deflateEnd", end_);
    if (!found) return SysError{ELIBACC, "dlsym"};
    const int size = static_cast<int>(sizeof stream_);
    if (init(&stream_, std::clamp(level, 1, 9), kDeflated, kGzipWindow, kMemoryLevel, 0, kVersion, size) != 0)
      return SysError{ENOMEM, "deflateInit2"};
    return {};
  }

  Result<void> open_inflate() noexcept {
    int (*init)(Stream*, int, const char*, int) = nullptr;
    const bool found = library_.find("inflateInit2_", init) && library_.find("inflate", step_) &&
                       library_.find("inflateReset", reset_) && library_.find("inflateEnd", end_);
    if (!found) return SysError{ELIBACC, "dlsym"};
    if (init(&stream_, kGzipWindow, kVersion, static_cast<int>(sizeof stream_)) != 0)
      return SysError{ENOMEM, "inflateInit2"};
    return {};
  }

  // Whether all of `from` became one whole stream within `to`.
  bool run(std::span<const std::byte> from, std::span<std::byte> to, size_t* used) noexcept {
    constexpr size_t kMost = size_t{1} << 30;  // its counts are 32 bits
    if (from.size() > kMost || reset_(&stream_) != 0) return false;
    const size_t room = std::min(to.size(), kMost);
    stream_.next_in = from.data();
    stream_.avail_in = static_cast<unsigned>(from.size());
    // Not null, which it refuses, even when nothing comes.
    std::byte nothing;
    stream_.next_out = to.empty() ? &nothing : to.data();
    stream_.avail_out = static_cast<unsigned>(room);
    const bool ended = step_(&stream_, kFinish) == kStreamEnd;
    *used = room - stream_.avail_out;
    return ended && stream_.avail_in == 0;
  }

 private:
  SharedLibrary library_;
  Stream stream_{};
  int (*step_)(Stream*, int) = nullptr;
  int (*reset_)(Stream*) = nullptr;
  int (*end_)(Stream*) = nullptr;
};

// Both have all of the functions or none.
Result<std::unique_ptr<Gzip>> load() noexcept {
  auto library = SharedLibrary::of_process();
  int (*probe)(Stream*, int) = nullptr;
  if (!library.ok() || !library.value().find("deflate", probe)) library = SharedLibrary::open(kLibrary);
  if (!library.ok()) return library.error();
  return std::make_unique<Gzip>(std::move(library).value());
}

class GzipCompressor final : public Compressor {
 public:
  explicit GzipCompressor(std::unique_ptr<Gzip> gzip) noexcept : gzip_(std::move(gzip)) {}
  Result<size_t> frame(std::span<const std::byte> from, std::span<std::byte> to) noexcept override {
    size_t used = 0;
    if (!gzip_->run(from, to, &used)) return SysError{ENOBUFS, "deflate"};
    return used;
  }

 private:
  std::unique_ptr<Gzip> gzip_;
};

class GzipDecompressor final : public Decompressor {
 public:
  explicit GzipDecompressor(std::unique_ptr<Gzip> gzip) noexcept : gzip_(std::move(gzip)) {}
  Result<size_t> frame(std::span<const std::byte> from, std::span<std::byte> to) noexcept override {
    size_t used = 0;
    if (!gzip_->run(from, to, &used)) return SysError{EBADMSG, "inflate"};
    return used;
  }

 private:
  std::unique_ptr<Gzip> gzip_;
};

}  // namespace

Result<std::unique_ptr<Compressor>> open_gzip_compressor(int level) noexcept {
  auto loaded = load();
  if (!loaded.ok()) return loaded.error();
  auto gzip = std::move(loaded).value();
  if (auto ready = gzip->open_deflate(level); !ready.ok()) return ready.error();
  return std::unique_ptr<Compressor>(std::make_unique<GzipCompressor>(std::move(gzip)));
}

Result<std::unique_ptr<Decompressor>> open_gzip_decompressor() noexcept {
  auto loaded = load();
  if (!loaded.ok()) return loaded.error();
  auto gzip = std::move(loaded).value();
  if (auto ready = gzip->open_inflate(); !ready.ok()) return ready.error();
  return std::unique_ptr<Decompressor>(std::make_unique<GzipDecompressor>(std::move(gzip)));
}

}  // namespace frazil::compress
