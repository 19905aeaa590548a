#pragma once

#include <atomic>

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// A request to stop that a blocked thread can see: an eventfd for poll() and a flag for loops over regular files, which
// cannot be polled. Once signalled it stays so; signalling again is harmless, from any thread.
class Cancel {
 public:
  static Result<Cancel> open() noexcept;

  // Only while nobody else knows the object: the flag is not moved atomically.
  Cancel(Cancel&& other) noexcept : event_(std::move(other.event_)), cancelled_(other.cancelled()) {}

  void signal() noexcept;
  bool cancelled() const noexcept { return cancelled_.load(std::memory_order_acquire); }
  // Readable for ever after signal(). Nobody reads it, so every waiter wakes.
  int fd() const noexcept { return event_.get(); }

 private:
  explicit Cancel(UniqueFd event) noexcept : event_(std::move(event)) {}

  UniqueFd event_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace frazil
