#include "archive/appender.h"

#include <algorithm>
#include <cstring>

#include "compress/stored.h"

namespace frazil::archive {
namespace {

class PlainAppender final : public Appender {
 public:
  PlainAppender(Output& output, page::Counters& counters, const Cancel& cancel) noexcept
      : output_(output), counters_(counters), cancel_(cancel) {}

  Result<void> write(std::span<const std::byte> bytes) noexcept override {
    counters_.add(&page::Counters::bytes_out, bytes.size());
    return output_.append(bytes, cancel_);
  }
  Result<void> begin_pages(std::span<const std::byte> head) noexcept override { return write(head); }
  Result<void> end_pages() noexcept override { return {}; }
  Result<void> flush() noexcept override { return {}; }

 private:
  Output& output_;
  page::Counters& counters_;
  const Cancel& cancel_;
};

class FrameAppender final : public Appender {
 public:
  FrameAppender(compress::Codec codec, FrameFile& file, std::unique_ptr<FramePool> pool, const Cancel& cancel) noexcept
      : codec_(codec), file_(file), pool_(std::move(pool)), cancel_(cancel), at_(file.next()) {}

  Result<void> write(std::span<const std::byte> bytes) noexcept override {
    while (!bytes.empty()) {
      if (buffer_ == nullptr) {
        const auto fresh = pool_->acquire(at_);
        if (!fresh.ok()) return fresh.error();
        buffer_ = fresh.value();
        buffer_->pages = pages_;
      }
      const size_t taken = std::min(bytes.size(), kFrameBytes - buffer_->filled);
      std::memcpy(buffer_->bytes.data() + buffer_->filled, bytes.data(), taken);
      buffer_->filled += taken;
      at_ += taken;
      bytes = bytes.subspan(taken);
      if (buffer_->filled == kFrameBytes) end_frame();
    }
    return {};
  }

  Result<void> begin_pages(std::span<const std::byte> head) noexcept override {
    end_frame();
    pages_ = true;
    at_ += head.size();
    return file_.commit_one(at_ - head.size(), head.size(), compress::stored_frame(codec_, head), cancel_);
  }

  Result<void> end_pages() noexcept override {
    end_frame();
    pages_ = false;
    return {};
  }

  Result<void> flush() noexcept override {
    end_frame();
    return pool_->drain();
  }

 private:
  void end_frame() noexcept {
    if (buffer_ != nullptr) pool_->submit(buffer_);
    buffer_ = nullptr;
  }

  compress::Codec codec_;
  FrameFile& file_;
  std::unique_ptr<FramePool> pool_;
  const Cancel& cancel_;
  uint64_t at_;
  bool pages_ = false;
  FramePool::Buffer* buffer_ = nullptr;
};

}  // namespace

std::unique_ptr<Appender> make_plain_appender(Output& output, page::Counters& counters, const Cancel& cancel) noexcept {
  return std::make_unique<PlainAppender>(output, counters, cancel);
}

Result<std::unique_ptr<Appender>> make_frame_appender(const Compression& compression, FrameFile& file,
                                                      page::Counters& counters, const Cancel& cancel) noexcept {
  auto pool = FramePool::start(compression, file, counters, cancel);
  if (!pool.ok()) return pool.error();
  return std::unique_ptr<Appender>(
      std::make_unique<FrameAppender>(compression.codec, file, std::move(pool).value(), cancel));
}

}  // namespace frazil::archive
