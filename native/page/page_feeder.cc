#include "page/page_feeder.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <span>

#include "sys/retry.h"
#include "sys/wait_for.h"

namespace frazil::page {
namespace {

// As much as CRIU's own server answers at most.
constexpr uint64_t kMaxPages = 1024;
constexpr std::array<std::byte, size_t{16} * kPageSize> kZeros{};

Result<void> send_all(int socket, std::span<const std::byte> bytes, const Cancel& cancel) noexcept {
  while (!bytes.empty()) {
    const ssize_t n =
        retry_eintr([&] { return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (n == -1 && errno != EAGAIN) return SysError{errno, "send"};
    if (n > 0) {
      bytes = bytes.subspan(static_cast<size_t>(n));
      continue;
    }
    const auto wake = wait_for(socket, POLLOUT, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "send"};
  }
  return {};
}

}  // namespace

// One answer: its pages in order, behind a head that has promised them.
class PageFeeder::Sending final : public Taker {
 public:
  Sending(int socket, const Cancel& cancel, uint64_t vaddr) noexcept : socket_(socket), cancel_(cancel), next_(vaddr) {}

  Result<void> take(const Arrival& arrival) noexcept override {
    // Local sources deliver in order; what is not could not be sent.
    if (arrival.vaddr != next_) return SysError{EBADMSG, "pagemap"};
    next_ += arrival.pages * kPageSize;
    size_t left = arrival.pages * kPageSize;
    if (arrival.bytes != nullptr) return note(send_all(socket_, {arrival.bytes, left}, cancel_));
    Result<void> sent;
    for (; left > 0 && sent.ok(); left -= std::min(left, kZeros.size()))
      sent = note(send_all(socket_, {kZeros.data(), std::min(left, kZeros.size())}, cancel_));
    return sent;
  }
  void lose(const SourceFailure&) noexcept override {}

  // It was the peer that failed, not the source.
  bool peer_failed() const noexcept { return peer_failed_; }

 private:
  Result<void> note(Result<void> sent) noexcept {
    peer_failed_ = peer_failed_ || !sent.ok();
    return sent;
  }

  int socket_;
  const Cancel& cancel_;
  uint64_t next_;
  bool peer_failed_ = false;
};

// Of a call on the socket.
FeedFailure PageFeeder::system(SysError error) const noexcept {
  if (error.number == ECANCELED) return {FeedFault::cancelled, error};
  const bool gone = error.number == EPIPE || error.number == ECONNRESET || error.number == ETIMEDOUT;
  return {gone ? FeedFault::hung_up : FeedFault::system, error};
}

std::optional<FeedFailure> PageFeeder::serve(int socket, const Cancel& cancel) noexcept {
  socket_ = socket;
  cancel_ = &cancel;
  while (!closed_) {
    Header request{};
    if (Step failed = read_request(&request)) return failed;
    if (Step failed = dispatch(request)) return failed;
  }
  return await_end();
}

PageFeeder::Step PageFeeder::read_request(Header* request) noexcept {
  std::byte bytes[kWideBytes];
  if (Step failed = read_exactly(bytes, kNarrowBytes)) return failed;
  if (form_ == HeaderForm::unknown)
    form_ = detect_asking_form(std::span<const std::byte, kNarrowBytes>(bytes, kNarrowBytes));
  if (form_ == HeaderForm::wide) {
    if (Step failed = read_exactly(bytes + kNarrowBytes, kWideBytes - kNarrowBytes)) return failed;
  }
  *request = parse_header(form_, bytes);
  return {};
}

PageFeeder::Step PageFeeder::dispatch(const Header& request) noexcept {
  switch (request.command) {
    case Command::get:
      return feed(request);
    case Command::parent:
      return answer(0);
    case Command::close:
    case Command::force_close:
      closed_ = true;
      return answer(0);
    default:
      return FeedFailure{FeedFault::bad_request, {0, ""}, {ImageId::Kind::task, request.dst_id}, request.vaddr};
  }
}

// The part of what is asked for that is in one run.
PageFeeder::Step PageFeeder::find(const Header& request, Want* want) noexcept {
  const ImageId image{ImageId::Kind::task, request.dst_id};
  if (request.flags != 0 || request.pages == 0 || request.vaddr % kPageSize != 0)
    return FeedFailure{FeedFault::bad_request, {0, ""}, image, request.vaddr};
  auto known = runs_.find(image.id);
  if (known == runs_.end()) {
    auto runs = source_.lazy_runs(image);
    if (!runs.ok() && runs.error().number == ENOENT)
      return FeedFailure{FeedFault::not_there, {0, ""}, image, request.vaddr};
    if (!runs.ok()) return FeedFailure{FeedFault::source, runs.error(), image, request.vaddr};
    known = runs_.emplace(image.id, std::move(runs).value()).first;
  }
  const auto& runs = known->second;
  const auto run = std::partition_point(runs.begin(), runs.end(),
                                        [&](const PagemapEntry& one) { return one.end() <= request.vaddr; });
  if (run == runs.end() || run->vaddr > request.vaddr)
    return FeedFailure{FeedFault::not_there, {0, ""}, image, request.vaddr};
  const uint64_t pages = std::min({request.pages, (run->end() - request.vaddr) / kPageSize, kMaxPages});
  *want = {image, request.vaddr, pages, Urgency::urgent};
  return {};
}

PageFeeder::Step PageFeeder::feed(const Header& request) noexcept {
  Want want{};
  if (Step failed = find(request, &want)) return failed;
  counters_.requests.fetch_add(1, std::memory_order_relaxed);
  std::byte head[kWideBytes];
  put_header(form_, {Command::add_f, kPresent, want.pages, want.vaddr, want.image.id}, head);
  if (auto sent = send_all(socket_, {head, length_of(form_)}, *cancel_); !sent.ok()) return system(sent.error());
  Sending sending(socket_, *cancel_, want.vaddr);
  if (const auto failure = source_.fetch(want, sending)) {
    if (sending.peer_failed()) return system(failure->error);
    return FeedFailure{FeedFault::source, failure->error, failure->image, failure->vaddr};
  }
  counters_.bytes.fetch_add(want.pages * kPageSize, std::memory_order_relaxed);
  return {};
}

PageFeeder::Step PageFeeder::answer(int32_t number) noexcept {
  const auto* bytes = reinterpret_cast<const std::byte*>(&number);
  if (auto sent = send_all(socket_, {bytes, sizeof number}, *cancel_); !sent.ok()) return system(sent.error());
  return {};
}

PageFeeder::Step PageFeeder::read_exactly(std::byte* to, size_t bytes) noexcept {
  for (size_t done = 0; done < bytes;) {
    const ssize_t n = retry_eintr([&] { return ::recv(socket_, to + done, bytes - done, MSG_DONTWAIT); });
    if (n == 0) return system({ECONNRESET, "recv"});
    if (n > 0) {
      done += static_cast<size_t>(n);
      continue;
    }
    if (errno != EAGAIN) return system({errno, "recv"});
    const auto wake = wait_for(socket_, POLLIN, *cancel_);
    if (!wake.ok()) return system(wake.error());
    if (wake.value() == Wake::cancelled) return system({ECANCELED, "recv"});
  }
  return {};
}

// Whoever closes first keeps the port for a minute: the peer shall. It has said all, so whatever it does now is well.
PageFeeder::Step PageFeeder::await_end() noexcept {
  std::byte rest[kWideBytes];
  for (;;) {
    const ssize_t n = retry_eintr([&] { return ::recv(socket_, rest, sizeof rest, MSG_DONTWAIT); });
    if (n == 0 || (n == -1 && errno != EAGAIN)) return {};
    if (n > 0) continue;
    const auto wake = wait_for(socket_, POLLIN, *cancel_);
    if (!wake.ok() || wake.value() == Wake::cancelled) return {};
  }
}

}  // namespace frazil::page
