// zlib's streaming. A gzip file may be several members one after the other, which zlib leaves to its caller.

#include <algorithm>
#include <climits>

#include "compress/stream.h"
#include "compress/zlib.h"

namespace frazil::compress {
namespace {

constexpr int kNoFlush = 0;
constexpr int kOk = 0;
constexpr int kNoProgress = -5;  // Z_BUF_ERROR: no fault

class GzipStream final : public StreamDecoder {
 public:
  explicit GzipStream(SharedLibrary library) noexcept : library_(std::move(library)) {}
  ~GzipStream() override {
    if (stream_.state != nullptr) (void)end_(&stream_);
  }

  Result<void> open() noexcept {
    int (*init)(ZStream*, int, const char*, int) = nullptr;
    const bool found = library_.find("inflateInit2_", init) && library_.find("inflate", step_) &&
                       library_.find("inflateReset", reset_) && library_.find("inflateEnd", end_);
    if (!found) return SysError{ELIBACC, "dlsym"};
    if (init(&stream_, kGzipWindow, kZlibVersion, static_cast<int>(sizeof stream_)) != kOk)
      return SysError{ENOMEM, "inflateInit2"};
    return {};
  }

  Result<Step> decode(std::span<const std::byte> from, std::span<std::byte> to) noexcept override {
    const auto in = static_cast<unsigned>(std::min<size_t>(from.size(), UINT_MAX));
    const auto out = static_cast<unsigned>(std::min<size_t>(to.size(), UINT_MAX));
    if (ended_ && in > 0) {
      if (reset_(&stream_) != kOk) return SysError{EBADMSG, "inflateReset"};
      ended_ = false;
    }
    if (ended_) return Step{0, 0, true};
    stream_.next_in = from.data();
    stream_.avail_in = in;
    stream_.next_out = to.data();
    stream_.avail_out = out;
    const int answer = step_(&stream_, kNoFlush);
    if (answer != kOk && answer != kZStreamEnd && answer != kNoProgress) return SysError{EBADMSG, "inflate"};
    ended_ = answer == kZStreamEnd;
    return Step{in - stream_.avail_in, out - stream_.avail_out, ended_};
  }

 private:
  SharedLibrary library_;
  ZStream stream_{};
  bool ended_ = false;
  int (*step_)(ZStream*, int) = nullptr;
  int (*reset_)(ZStream*) = nullptr;
  int (*end_)(ZStream*) = nullptr;
};

}  // namespace

Result<std::unique_ptr<StreamDecoder>> open_gzip_stream() noexcept {
  auto library = open_zlib();
  if (!library.ok()) return library.error();
  auto opened = std::make_unique<GzipStream>(std::move(library).value());
  if (auto ready = opened->open(); !ready.ok()) return ready.error();
  return std::unique_ptr<StreamDecoder>(std::move(opened));
}

}  // namespace frazil::compress
