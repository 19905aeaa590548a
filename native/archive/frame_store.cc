#include "archive/frame_store.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "compress/stored.h"
#include "sys/full_io.h"

namespace frazil::archive {

Result<std::unique_ptr<FrameStore>> FrameStore::open(const Compression& compression, FrameFile& file,
                                                     PageMembers& members, page::Counters& counters) noexcept {
  auto cancel = Cancel::open();
  if (!cancel.ok()) return cancel.error();
  std::unique_ptr<FrameStore> store(new FrameStore(compression, file, members, std::move(cancel).value()));
  auto pool = FramePool::start(compression, file, counters, store->cancel_);
  if (!pool.ok()) return pool.error();
  store->pool_ = std::move(pool).value();
  if (auto placed = store->place_head(0); !placed.ok()) return placed.error();
  return store;
}

Result<void> FrameStore::place_head(uint64_t at) noexcept {
  constexpr std::array<std::byte, kHeadBytes> kNothing{};
  return file_.commit_one(at, kHeadBytes, compress::stored_frame(codec_, kNothing), cancel_);
}

Result<void> FrameStore::open(page::Image& image) noexcept {
  close_last();
  members_.open(image);
  return place_head(image.start - kHeadBytes);
}

// The last frame of an image is shorter. Its pages may all have come, or some may still be under way.
void FrameStore::close_last() noexcept {
  if (members_.images().empty()) return;
  const page::Image& image = *members_.images().back();
  const uint64_t begins = image.bytes / kFrameBytes * kFrameBytes;
  FramePool::Buffer* whole = nullptr;
  {
    const std::lock_guard lock(mutex_);
    lengths_.emplace(&image, image.bytes);
    const auto last = filling_.find(image.start + begins);
    if (last == filling_.end()) return;
    last->second.wanted = image.bytes - begins;
    if (last->second.buffer->filled < last->second.wanted) return;
    whole = last->second.buffer;
    filling_.erase(last);
  }
  pool_->submit(whole);
}

Result<void> FrameStore::put(unsigned, const page::Payload& payload, page::Image& image) noexcept {
  Result<void> filled = fill(payload, image);
  // Others may be waiting for the frame that now never becomes whole.
  if (!filled.ok()) pool_->fail(filled.error());
  return filled;
}

Result<void> FrameStore::fill(const page::Payload& payload, const page::Image& image) noexcept {
  size_t piped = payload.piped;
  auto rest = payload.rest;
  for (uint64_t offset = payload.offset; piped + rest.size() > 0;) {
    const size_t within = offset % kFrameBytes;
    const uint64_t at = image.start + offset - within;
    const auto buffer = buffer_at(at, image);
    if (!buffer.ok()) return buffer.error();
    std::byte* to = buffer.value()->bytes.data() + within;
    const size_t from_pipe = std::min(piped, kFrameBytes - within);
    const size_t by_hand = std::min(rest.size(), kFrameBytes - within - from_pipe);
    const auto got = read_full(payload.pipe, to, from_pipe);
    if (!got.ok()) return got.error();
    if (got.value() < from_pipe) return SysError{EPIPE, "read"};
    if (by_hand > 0) std::memcpy(to + from_pipe, rest.data(), by_hand);
    piped -= from_pipe;
    rest = rest.subspan(by_hand);
    offset += from_pipe + by_hand;
    add(at, from_pipe + by_hand);
  }
  return {};
}

// Asked for outside of the lock: whoever waits for a buffer must not keep others from filling theirs.
Result<FramePool::Buffer*> FrameStore::buffer_at(uint64_t at, const page::Image& image) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = filling_.find(at); found != filling_.end()) return found->second.buffer;
  }
  const auto fresh = pool_->acquire(at);
  if (!fresh.ok()) return fresh.error();
  const std::lock_guard lock(mutex_);
  if (const auto found = filling_.find(at); found != filling_.end()) {
    pool_->release(fresh.value());
    return found->second.buffer;
  }
  const auto ended = lengths_.find(&image);
  const uint64_t left = ended == lengths_.end() ? kFrameBytes : ended->second - (at - image.start);
  fresh.value()->pages = true;
  filling_.emplace(at, Filling{fresh.value(), std::min<size_t>(left, kFrameBytes)});
  return fresh.value();
}

void FrameStore::add(uint64_t at, size_t bytes) noexcept {
  FramePool::Buffer* whole = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto own = filling_.find(at);
    own->second.buffer->filled += bytes;
    if (own->second.buffer->filled < own->second.wanted) return;
    whole = own->second.buffer;
    filling_.erase(own);
  }
  pool_->submit(whole);
}

Result<void> FrameStore::settle(const Cancel& cancel) noexcept {
  if (cancel.cancelled()) return SysError{ECANCELED, "pwrite"};
  close_last();
  if (auto drained = pool_->drain(); !drained.ok()) return drained;
  pool_.reset();
  return file_.is_whole() ? Result<void>() : SysError{EIO, "pwrite"};
}

}  // namespace frazil::archive
