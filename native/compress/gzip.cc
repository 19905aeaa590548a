// gzip members, whole ones: one call compresses or reads one.

#include "compress/gzip.h"

#include <algorithm>

#include "compress/zlib.h"

namespace frazil::compress {
namespace {

constexpr int kFinish = 4;
constexpr int kDeflated = 8;
constexpr int kMemoryLevel = 8;

class Gzip {
 public:
  explicit Gzip(SharedLibrary library) noexcept : library_(std::move(library)) {}
  ~Gzip() {
    if (stream_.state != nullptr) (void)end_(&stream_);
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  Result<void> open_deflate(int level) noexcept {
    int (*init)(ZStream*, int, int, int, int, int, const char*, int) = nullptr;
    const bool found = library_.find("deflateInit2_", init) && library_.find("deflate", step_) &&
                       library_.find("deflateReset", reset_) && library_.find("deflateEnd", end_);
    if (!found) return SysError{ELIBACC, "dlsym"};
    const int size = static_cast<int>(sizeof stream_);
    if (init(&stream_, std::clamp(level, 0, 9), kDeflated, kGzipWindow, kMemoryLevel, 0, kZlibVersion, size) != 0)
      return SysError{ENOMEM, "deflateInit2"};
    return {};
  }

  Result<void> open_inflate() noexcept {
    int (*init)(ZStream*, int, const char*, int) = nullptr;
    const bool found = library_.find("inflateInit2_", init) && library_.find("inflate", step_) &&
                       library_.find("inflateReset", reset_) && library_.find("inflateEnd", end_);
    if (!found) return SysError{ELIBACC, "dlsym"};
    if (init(&stream_, kGzipWindow, kZlibVersion, static_cast<int>(sizeof stream_)) != 0)
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
    const bool ended = step_(&stream_, kFinish) == kZStreamEnd;
    *used = room - stream_.avail_out;
    return ended && stream_.avail_in == 0;
  }

 private:
  SharedLibrary library_;
  ZStream stream_{};
  int (*step_)(ZStream*, int) = nullptr;
  int (*reset_)(ZStream*) = nullptr;
  int (*end_)(ZStream*) = nullptr;
};

Result<std::unique_ptr<Gzip>> load() noexcept {
  auto library = open_zlib();
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
