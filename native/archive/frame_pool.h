#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "archive/dense_pages.h"
#include "archive/frame_file.h"
#include "compress/codec.h"
#include "core/thread.h"

namespace frazil::archive {

struct Compression {
  compress::Codec codec;
  int level;
  unsigned threads;
};

// At most so much of the stream is in one frame: what one page fault has to decompress.
constexpr size_t kFrameBytes = size_t{256} << 10;

// The compressing threads. Whoever has bytes of the stream fills a buffer; the threads compress it and commit the frame. Nobody gets a
// buffer for what is far ahead of what has been written: callers wait, and in the end CRIU. The next to be written is never far ahead,
// so whoever has that can go on, whatever others hold.
class FramePool {
 public:
  struct Buffer {
    std::vector<std::byte> bytes;  // kFrameBytes
    uint64_t at = 0;               // in the stream
    size_t filled = 0;
    bool pages = false;  // that is what it holds: zeros among them are counted
  };

  // Nothing of what is passed may go before the pool. ELIBACC without the codec's library.
  static Result<std::unique_ptr<FramePool>> start(const Compression& compression, FrameFile& file,
                                                  page::Counters& counters, const Cancel& cancel) noexcept;
  ~FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  // An empty buffer for the frame that begins at `at`, sooner or later; the first failure of a thread instead, when there was one.
  Result<Buffer*> acquire(uint64_t at) noexcept;
  void submit(Buffer* buffer) noexcept;
  // Back without having been used.
  void release(Buffer* buffer) noexcept;
  // Nothing more will come of it: whoever waits is told so.
  void fail(SysError error) noexcept;
  // Waits until every submitted buffer is committed.
  Result<void> drain() noexcept;

 private:
  struct Worker {
    FramePool* pool;
    std::unique_ptr<compress::Compressor> compressor;
    std::unique_ptr<compress::Compressor> hasty;  // for what is dense
    std::vector<Stretch> stretches;
    std::vector<FrameFile::Entry> entries;
    std::vector<std::byte> frames;
    std::vector<std::byte> zeros;  // the frame of a full buffer of zeros, once there was one
    Thread thread;
    void operator()() noexcept { pool->work(*this); }
  };

  FramePool(FrameFile& file, page::Counters& counters, const Cancel& cancel) noexcept
      : file_(file), counters_(counters), cancel_(cancel) {}
  Result<void> open(const Compression& compression) noexcept;
  void work(Worker& worker) noexcept;
  Result<void> compress(Worker& worker, const Buffer& buffer) noexcept;
  static Result<size_t> make_frames(Worker& worker, std::span<const std::byte> bytes) noexcept;
  Buffer* next() noexcept;

  FrameFile& file_;
  page::Counters& counters_;
  const Cancel& cancel_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::condition_variable filled_;
  uint64_t window_ = 0;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<Buffer*> free_;
  std::deque<Buffer*> full_;
  size_t submitted_ = 0;  // and not committed yet
  std::optional<SysError> failure_;
  bool stopping_ = false;
  std::vector<Worker> workers_;  // last: joined before the rest goes
};

}  // namespace frazil::archive
