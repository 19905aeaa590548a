#include "archive/frame_pool.h"

#include "page/zero_scan.h"
#include "sys/thread_cpu.h"

namespace frazil::archive {
namespace {

constexpr unsigned kMaxThreads = 64;
// Frames beyond those that each thread has under work and waiting for it: the copying threads fill several at a time.
constexpr unsigned kSlack = 12;
// Of a buffer: dense stretches, and others between them.
constexpr size_t kMostFrames = 2 * (kFrameBytes / (kMinDensePages * page::kPageSize)) + 1;
constexpr size_t kFramesBound = compress::frame_bound(kFrameBytes) + kMostFrames * compress::frame_bound(0);

size_t count_zero_pages(std::span<const std::byte> pages, page::Counters& counters) noexcept {
  size_t zero = 0;
  for (auto rest = pages; !rest.empty();) {
    const page::ZeroRun run = page::first_run(rest);
    if (run.zero) zero += run.pages;
    rest = rest.subspan(run.pages * page::kPageSize);
  }
  counters.add(&page::Counters::bytes_user, pages.size());
  counters.add(&page::Counters::zero_pages, zero);
  return zero;
}

}  // namespace

Result<std::unique_ptr<FramePool>> FramePool::start(const Compression& compression, FrameFile& file,
                                                    page::Counters& counters, const Cancel& cancel) noexcept {
  std::unique_ptr<FramePool> pool(new (std::nothrow) FramePool(file, counters, cancel));
  if (!pool) return SysError{ENOMEM, "malloc"};
  if (auto opened = pool->open(compression); !opened.ok()) return opened.error();
  return pool;
}

Result<void> FramePool::open(const Compression& compression) noexcept {
  if (compression.threads == 0 || compression.threads > kMaxThreads) return SysError{EINVAL, "pthread_create"};
  window_ = (uint64_t{2} * compression.threads + kSlack) * kFrameBytes;
  workers_.reserve(compression.threads);  // the threads hold pointers to the elements
  for (unsigned i = 0; i < compression.threads; ++i) {
    auto compressor = compress::open_compressor(compression.codec, compression.level);
    if (!compressor.ok()) return compressor.error();
    auto hasty = compress::open_compressor(compression.codec, compress::hastiest_level(compression.codec));
    if (!hasty.ok()) return hasty.error();
    workers_.push_back({this, std::move(compressor).value(), std::move(hasty).value(), {}, {}, {}, {}, {}});
    workers_.back().frames.resize(kFramesBound);
    auto thread = Thread::spawn("frazil-compress", workers_.back());
    if (!thread.ok()) return thread.error();
    workers_.back().thread = std::move(thread).value();
  }
  return {};
}

FramePool::~FramePool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  filled_.notify_all();
  for (Worker& worker : workers_) worker.thread.join();
}

Result<FramePool::Buffer*> FramePool::acquire(uint64_t at) noexcept {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return failure_ || at < file_.next() + window_; });
  if (failure_) return *failure_;
  if (free_.empty()) {
    buffers_.push_back(std::make_unique<Buffer>());
    buffers_.back()->bytes.resize(kFrameBytes);
    free_.push_back(buffers_.back().get());
  }
  Buffer* buffer = free_.back();
  free_.pop_back();
  buffer->at = at;
  buffer->filled = 0;
  return buffer;
}

void FramePool::release(Buffer* buffer) noexcept {
  const std::lock_guard lock(mutex_);
  free_.push_back(buffer);
}

void FramePool::submit(Buffer* buffer) noexcept {
  {
    const std::lock_guard lock(mutex_);
    full_.push_back(buffer);
    ++submitted_;
  }
  filled_.notify_one();
}

void FramePool::fail(SysError error) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
  }
  freed_.notify_all();
}

Result<void> FramePool::drain() noexcept {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return failure_ || submitted_ == 0; });
  if (failure_) return *failure_;
  return {};
}

FramePool::Buffer* FramePool::next() noexcept {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [&] { return stopping_ || !full_.empty(); });
  if (stopping_) return nullptr;
  Buffer* buffer = full_.front();
  full_.pop_front();
  return buffer;
}

void FramePool::work(Worker& worker) noexcept {
  while (Buffer* buffer = next()) {
    const Result<void> outcome = compress(worker, *buffer);
    {
      const std::lock_guard lock(mutex_);
      if (!outcome.ok() && !failure_) failure_ = outcome.error();
      free_.push_back(buffer);
      --submitted_;
    }
    freed_.notify_all();
  }
  counters_.add(&page::Counters::cpu_ns, thread_cpu_ns());
}

// A frame of nothing but zeros is the same each time, and much of a process's memory is that.
Result<void> FramePool::compress(Worker& worker, const Buffer& buffer) noexcept {
  const auto bytes = std::span<const std::byte>(buffer.bytes).first(buffer.filled);
  const size_t zero_pages = buffer.pages ? count_zero_pages(bytes, counters_) : 0;
  const bool zero = zero_pages == kFrameBytes / page::kPageSize;
  if (zero && !worker.zeros.empty()) return file_.commit_one(buffer.at, bytes.size(), worker.zeros, cancel_);
  const auto used = make_frames(worker, bytes);
  if (!used.ok()) return used.error();
  const auto frames = std::span<const std::byte>(worker.frames).first(used.value());
  if (zero) worker.zeros.assign(frames.begin(), frames.end());
  return file_.commit(buffer.at, worker.entries, frames, cancel_);
}

Result<size_t> FramePool::make_frames(Worker& worker, std::span<const std::byte> bytes) noexcept {
  cut_dense(bytes, &worker.stretches);
  worker.entries.clear();
  size_t used = 0;
  for (const Stretch& stretch : worker.stretches) {
    compress::Compressor& compressor = stretch.dense ? *worker.hasty : *worker.compressor;
    const auto frame = compressor.frame(bytes.first(stretch.bytes), std::span(worker.frames).subspan(used));
    if (!frame.ok()) return frame.error();
    worker.entries.push_back({static_cast<uint32_t>(frame.value()), static_cast<uint32_t>(stretch.bytes)});
    used += frame.value();
    bytes = bytes.subspan(stretch.bytes);
  }
  return used;
}

}  // namespace frazil::archive
