#pragma once

// Decompressed frames of an archive, so many bytes of them, those that were asked for last: what one fault has had decompressed answers the
// next ones that fall into it, of the same task and of every copy that is restored from the same file.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/result.h"

namespace frazil::archive {

class FrameCache {
 public:
  using Content = std::shared_ptr<const std::vector<std::byte>>;
  using Make = std::function<Result<void>(std::vector<std::byte>& into)>;

  // The frame asked for last is kept, however large it is.
  explicit FrameCache(uint64_t most_bytes) noexcept : most_bytes_(most_bytes) {}

  // The frame that begins at `at`; null when it is not here.
  Content find(uint64_t at) noexcept;
  // The same, made when it is not here: by one thread, while others that want it wait for that. Thread-safe.
  Result<Content> get(uint64_t at, size_t bytes, const Make& make) noexcept;

  uint64_t bytes() const noexcept;

 private:
  struct Kept {
    uint64_t at;
    Content content;  // null while it is being made
  };
  using Order = std::list<Kept>;  // the last one first

  Content touch(Order::iterator kept) noexcept;
  void settle(uint64_t at, Content content) noexcept;

  const uint64_t most_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable made_;
  uint64_t bytes_ = 0;
  Order order_;
  std::unordered_map<uint64_t, Order::iterator> places_;
};

}  // namespace frazil::archive
