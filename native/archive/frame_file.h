#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "archive/output.h"
#include "page/counters.h"

namespace frazil::archive {

// The frames of a compressed archive on their way into the file: in the order of the stream, in whatever order threads finish them.
// What has to wait for an earlier frame is kept in memory, so the callers bound how far they run ahead.
class FrameFile {
 public:
  struct Entry {
    uint32_t compressed;
    uint32_t bytes;
  };

  FrameFile(Output& output, page::Counters& counters) noexcept : output_(output), counters_(counters) {}

  // Frames that lie one after the other in `frames` and hold the stream from `at` on. Any thread. A failure to write is everybody's from
  // then on.
  Result<void> commit(uint64_t at, std::span<const Entry> entries, std::span<const std::byte> frames,
                      const Cancel& cancel) noexcept;
  Result<void> commit_one(uint64_t at, uint64_t bytes, std::span<const std::byte> frame,
                          const Cancel& cancel) noexcept {
    const Entry entry{static_cast<uint32_t>(frame.size()), static_cast<uint32_t>(bytes)};
    return commit(at, std::span(&entry, 1), frame, cancel);
  }
  // How much of the stream is written.
  uint64_t next() const noexcept { return next_.load(std::memory_order_acquire); }
  // No frame waits for one that has not come.
  bool is_whole() const noexcept;
  // Where the frame that begins at `at` of the stream lies in the file.
  std::optional<uint64_t> place_of(uint64_t at) const noexcept;
  // The last frame of the file: docs/design/archive.md, section 2.
  Result<void> append_seek_table(const Cancel& cancel) noexcept;

 private:
  struct Waiting {
    std::vector<Entry> entries;
    std::vector<std::byte> frames;
  };

  Result<void> append(std::span<const Entry> entries, std::span<const std::byte> frames, const Cancel& cancel) noexcept;

  Output& output_;
  page::Counters& counters_;
  mutable std::mutex mutex_;
  std::map<uint64_t, Waiting> waiting_;
  std::atomic<uint64_t> next_{0};
  std::vector<Entry> entries_;
  std::optional<SysError> failure_;
};

}  // namespace frazil::archive
