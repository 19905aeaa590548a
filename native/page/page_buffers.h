#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/result.h"

namespace frazil::page {

// Buffers for pages on their way, used again and again: fresh memory would cost a fault for each of its pages. As many as threads use
// them at once. Thread-safe.
class PageBuffers {
 public:
  static constexpr size_t kBytes = size_t{2} << 20;

  struct Unmap {
    void operator()(std::byte* memory) const noexcept;
  };
  using Memory = std::unique_ptr<std::byte, Unmap>;

  // A buffer until it is destroyed.
  class Lent {
   public:
    Lent(PageBuffers& owner, Memory memory) noexcept : owner_(&owner), memory_(std::move(memory)) {}
    Lent(Lent&&) noexcept = default;
    ~Lent() {
      if (memory_ != nullptr) owner_->give_back(std::move(memory_));
    }
    std::span<std::byte> bytes() const noexcept { return {memory_.get(), kBytes}; }

   private:
    PageBuffers* owner_;
    Memory memory_;
  };

  Result<Lent> borrow() noexcept;

 private:
  void give_back(Memory memory) noexcept;

  std::mutex mutex_;
  std::vector<Memory> free_;
};

}  // namespace frazil::page
