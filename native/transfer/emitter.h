#pragma once

// The frames of one level on the stream of one worker, through its stages.

#include <span>

#include "transfer/counters.h"
#include "transfer/worker.h"

namespace frazil::transfer {

class Emitter {
 public:
  // Everything is borrowed.
  Emitter(Worker& worker, Counters& counters, const Cancel& cancel) noexcept
      : worker_(worker), counters_(counters), cancel_(cancel) {}

  // Consecutive pages from `first` on. `pages` is overwritten.
  Result<void> carry(const SentPage& first, std::span<std::byte> pages) noexcept;
  Result<void> zeros(const SentPage& first, size_t pages) noexcept;
  // Any other frame.
  Result<void> send(const FrameHead& head, std::span<std::byte> body) noexcept;

 private:
  Result<void> carry_whole(const SentPage& first, std::span<std::byte> pages) noexcept;
  Result<void> patch(const SentPage& first, std::span<const std::span<std::byte>> records) noexcept;

  Worker& worker_;
  Counters& counters_;
  const Cancel& cancel_;
};

}  // namespace frazil::transfer
