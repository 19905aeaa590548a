#include "archive/stream_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "sys/full_io.h"

namespace frazil::archive {
namespace {

constexpr std::array<uint8_t, 4> kZstd{0x28, 0xb5, 0x2f, 0xfd};
constexpr std::array<uint8_t, 4> kLz4{0x04, 0x22, 0x4d, 0x18};
constexpr std::array<uint8_t, 2> kGzip{0x1f, 0x8b};

bool same(const timespec& a, const timespec& b) noexcept { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

template <size_t n>
bool begins_with(const std::array<uint8_t, 4>& first, const std::array<uint8_t, n>& magic) noexcept {
  return std::equal(magic.begin(), magic.end(), first.begin());
}

}  // namespace

Result<std::unique_ptr<StreamFile>> StreamFile::open(UniqueFd file, uint64_t kept_bytes) noexcept {
  struct stat status{};
  if (::fstat(file.get(), &status) == -1) return SysError{errno, "fstat"};
  if (!S_ISREG(status.st_mode)) return SysError{EBADMSG, "open"};
  std::unique_ptr<StreamFile> opened(new StreamFile(std::move(file), status, kept_bytes));
  std::array<uint8_t, 4> first{};
  const auto got = pread_full(opened->file_.get(), first.data(), first.size(), 0);
  if (!got.ok()) return got.error();
  if (begins_with(first, kGzip)) return SysError{ENODATA, "seek table"};
  Result<void> ready{};
  if (begins_with(first, kZstd)) ready = opened->open_frames(compress::Codec::zstd);
  if (begins_with(first, kLz4)) ready = opened->open_frames(compress::Codec::lz4);
  if (!ready.ok()) return ready.error();
  if (!opened->codec_) opened->bytes_ = static_cast<uint64_t>(status.st_size);
  return opened;
}

Result<void> StreamFile::open_frames(compress::Codec codec) noexcept {
  auto frames = read_seek_table(file_.get(), static_cast<uint64_t>(status_.st_size));
  if (!frames.ok()) return frames.error();
  frames_ = std::move(frames).value();
  // What cannot be read at all is said now, and not at the first fault.
  auto decoder = compress::open_decompressor(codec);
  if (!decoder.ok()) return decoder.error();
  idle_.push_back({std::move(decoder).value(), {}});
  codec_ = codec;
  bytes_ = frames_.empty() ? 0 : frames_.back().end();
  return {};
}

Result<void> StreamFile::read(uint64_t at, std::span<std::byte> into) noexcept {
  if (at > bytes_ || into.size() > bytes_ - at) return SysError{ENODATA, "pread"};
  if (!codec_) {
    const auto got = pread_full(file_.get(), into.data(), into.size(), at);
    if (!got.ok()) return got.error();
    if (got.value() < into.size()) return SysError{ENODATA, "pread"};
    return check();
  }
  auto frame = std::partition_point(frames_.begin(), frames_.end(), [&](const Frame& one) { return one.end() <= at; });
  while (!into.empty()) {
    const size_t bytes = static_cast<size_t>(std::min<uint64_t>(into.size(), frame->end() - at));
    if (auto done = read_frame(*frame, at - frame->at, into.first(bytes)); !done.ok()) return done;
    into = into.subspan(bytes);
    at += bytes;
    ++frame;
  }
  return check();
}

// `into` bytes of the frame, from its byte `from` on.
Result<void> StreamFile::read_frame(const Frame& frame, uint64_t from, std::span<std::byte> into) noexcept {
  bool made = false;
  FrameCache::Content content = cache_.find(frame.at);
  // A whole one goes to its place at once, and will not be wanted again.
  if (content == nullptr && into.size() == frame.bytes) return unpack(frame, into);
  if (content == nullptr) {
    auto got = cache_.get(frame.at, frame.bytes, [&](std::vector<std::byte>& fresh) noexcept {
      made = true;
      return unpack(frame, fresh);
    });
    if (!got.ok()) return got.error();
    content = std::move(got).value();
  }
  if (!made) cached_bytes_.fetch_add(into.size(), std::memory_order_relaxed);
  std::memcpy(into.data(), content->data() + from, into.size());
  return {};
}

Result<void> StreamFile::unpack(const Frame& frame, std::span<std::byte> into) noexcept {
  Decoder decoder;
  {
    const std::lock_guard guard(mutex_);
    if (!idle_.empty()) {
      decoder = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (decoder.codec == nullptr) {
    auto opened = compress::open_decompressor(*codec_);
    if (!opened.ok()) return opened.error();
    decoder.codec = std::move(opened).value();
  }
  const auto done = unpack_with(decoder, frame, into);
  const std::lock_guard guard(mutex_);
  idle_.push_back(std::move(decoder));
  return done;
}

Result<void> StreamFile::unpack_with(Decoder& decoder, const Frame& frame, std::span<std::byte> into) noexcept {
  decoder.packed.resize(std::max<size_t>(decoder.packed.size(), frame.file_bytes));
  const std::span packed = std::span(decoder.packed).first(frame.file_bytes);
  const auto got = pread_full(file_.get(), packed.data(), packed.size(), frame.file_at);
  if (!got.ok()) return got.error();
  if (got.value() < packed.size()) return SysError{ENODATA, "pread"};
  const auto unpacked = decoder.codec->frame(packed, into);
  if (!unpacked.ok()) return unpacked.error();
  if (unpacked.value() != frame.bytes) return SysError{EBADMSG, "seek table"};
  return {};
}

// As PagesFile does: a write changes the times before the data.
Result<void> StreamFile::check() const noexcept {
  struct stat now{};
  if (::fstat(file_.get(), &now) == -1) return SysError{errno, "fstat"};
  if (now.st_size == status_.st_size && same(now.st_mtim, status_.st_mtim)) return {};
  return SysError{ESTALE, "pread"};
}

}  // namespace frazil::archive
