#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>

#include "archive/frame_pool.h"
#include "archive/page_members.h"
#include "page/store.h"

namespace frazil::archive {

// Compresses pages as they come. The copying threads read them out of the pipes into the buffers of frames; the thread that fills a
// frame up hands it to the pool. Heads are stored frames of zeros, to be replaced when the images are known.
class FrameStore final : public page::Store {
 public:
  static Result<std::unique_ptr<FrameStore>> open(const Compression& compression, FrameFile& file, PageMembers& members,
                                                  page::Counters& counters) noexcept;

  Result<void> prepare(uint64_t, const Cancel&) noexcept override { return {}; }
  Result<void> open(page::Image& image) noexcept override;
  Result<void> rest() noexcept override { return {}; }
  Result<void> put(unsigned worker, const page::Payload& payload, page::Image& image) noexcept override;
  Result<void> settle(const Cancel& cancel) noexcept override;

 private:
  // A frame that is being filled, perhaps by several threads, each its own part.
  struct Filling {
    FramePool::Buffer* buffer;
    size_t wanted;
  };

  FrameStore(const Compression& compression, FrameFile& file, PageMembers& members, Cancel cancel) noexcept
      : codec_(compression.codec), file_(file), members_(members), cancel_(std::move(cancel)) {}
  Result<void> place_head(uint64_t at) noexcept;
  void close_last() noexcept;
  Result<void> fill(const page::Payload& payload, const page::Image& image) noexcept;
  Result<FramePool::Buffer*> buffer_at(uint64_t at, const page::Image& image) noexcept;
  void add(uint64_t at, size_t bytes) noexcept;

  compress::Codec codec_;
  FrameFile& file_;
  PageMembers& members_;
  Cancel cancel_;  // of a file, which is never waited for
  std::mutex mutex_;
  std::unordered_map<uint64_t, Filling> filling_;
  std::unordered_map<const page::Image*, uint64_t> lengths_;  // of images that have ended
  std::unique_ptr<FramePool> pool_;
};

}  // namespace frazil::archive
