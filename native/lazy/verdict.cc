#include "lazy/verdict.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace frazil::lazy {
namespace {

constexpr const char* kEvents[] = {"", "ready", "restored", "filled", "failed", "refused"};
constexpr const char* kFaults[] = {"none",   "source",       "server-died", "guardian-died",
                                   "system", "unregistered", "protocol",    "caller"};

}  // namespace

Result<Verdict> Verdict::open() noexcept {
  auto stop = Cancel::open();
  if (!stop.ok()) return stop.error();
  return Verdict(std::move(stop).value());
}

Message Verdict::plain(Event event, Fault fault, SysError error) noexcept {
  Message message{};
  message.version = kVersion;
  message.event = event;
  message.fault = fault;
  message.error = error.number;
  std::strncpy(message.op, error.op, sizeof message.op - 1);
  return message;
}

void Verdict::fail_at(Fault fault, const page::SourceFailure& failure) noexcept {
  // What was delivered when everybody had stopped already says nothing about the source.
  if (failure.error.number == ECANCELED) return;
  Message message = plain(Event::failed, fault, failure.error);
  message.image = failure.image.id;
  message.vaddr = failure.vaddr;
  message.level = failure.level;
  decide(message);
}

void Verdict::decide(const Message& message) noexcept {
  {
    const std::lock_guard guard(mutex_);
    if (message_) return;
    message_ = message;
  }
  stop_.signal();
}

std::optional<Message> Verdict::get() const noexcept {
  const std::lock_guard guard(mutex_);
  return message_;
}

// Both are best effort: the caller may have ended, and the disk may be full. What happened, happened.
void say(const Mouth& mouth, const Message& message) noexcept {
  (void)::send(mouth.control, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (mouth.log < 0) return;
  std::array<char, 256> line;
  const int length = std::snprintf(
      line.data(), line.size(),
      R"({"event":"%s","fault":"%s","errno":%d,"syscall":"%s","image":%)" PRIu64 R"(,"vaddr":"0x%)" PRIx64 "\",\"level\":%" PRIu32 "}\n",
      kEvents[static_cast<size_t>(message.event)], kFaults[static_cast<size_t>(message.fault)], message.error,
      message.op, message.image, message.vaddr, message.level);
  (void)!::write(mouth.log, line.data(), std::min(static_cast<size_t>(std::max(length, 0)), line.size() - 1));
}

}  // namespace frazil::lazy
