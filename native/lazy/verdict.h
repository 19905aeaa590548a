#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "core/cancel.h"
#include "lazy/messages.h"
#include "page/source.h"

namespace frazil::lazy {

// How the service ends: decided once, by whichever thread is first, and then everybody stops.
class Verdict {
 public:
  static Result<Verdict> open() noexcept;
  Verdict(Verdict&& other) noexcept : stop_(std::move(other.stop_)) {}

  const Cancel& stop() const noexcept { return stop_; }

  void decide(const Message& message) noexcept;
  void filled() noexcept { decide(plain(Event::filled, Fault::none, {0, ""})); }
  void fail(Fault fault, SysError error) noexcept { decide(plain(Event::failed, fault, error)); }
  void fail_at(Fault fault, const page::SourceFailure& failure) noexcept;

  // Nothing as long as stop() is not signalled.
  std::optional<Message> get() const noexcept;

  static Message plain(Event event, Fault fault, SysError error) noexcept;

 private:
  explicit Verdict(Cancel stop) noexcept : stop_(std::move(stop)) {}

  Cancel stop_;
  mutable std::mutex mutex_;
  std::optional<Message> message_;
};

// On the control socket and as a line in the log; both may be gone (-1).
struct Mouth {
  int control;
  int log;
};
void say(const Mouth& mouth, const Message& message) noexcept;

}  // namespace frazil::lazy
