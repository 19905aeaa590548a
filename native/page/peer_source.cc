#include "page/peer_source.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "page/deliver_runs.h"
#include "page/peer_socket.h"
#include "sys/retry.h"
#include "sys/wait_for.h"

namespace frazil::page {
namespace {

using Clock = std::chrono::steady_clock;

// Requests are 32 bytes: so many fit into the buffers of any connection, so sending one never waits for a peer that waits for us.
constexpr size_t kMaxAsked = 1024;
// As CRIU's own client asks at most; its server moves no more in one go (criu/include/page-pipe.h).
constexpr uint64_t kMaxPages = 1024;
// Shorter requests cost CRIU more than they save: it goes through all pages before it in a pipe.
constexpr uint64_t kLeastPages = 16;
constexpr size_t kPieceBytes = size_t{256} << 10;
constexpr std::chrono::seconds kFarewell{5};

uint64_t now_ns() noexcept {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count());
}

}  // namespace

PeerSource::PeerSource(UniqueFd socket, UniqueFd directory, Acquaintance peer) noexcept
    : socket_(std::move(socket)), directory_(std::move(directory)), form_(peer.form), window_(peer.round_trip_ns) {}

PeerSource::~PeerSource() = default;

Result<std::unique_ptr<PeerSource>> PeerSource::open(UniqueFd socket, UniqueFd directory) noexcept {
  prepare_peer(socket.get());
  const auto likely = form_of_images(directory.get());
  if (!likely.ok()) return likely.error();
  const auto peer = meet(socket.get(), likely.value());
  if (!peer.ok()) return peer.error();
  return std::unique_ptr<PeerSource>(new PeerSource(std::move(socket), std::move(directory), peer.value()));
}

Result<std::vector<PagemapEntry>> PeerSource::lazy_runs(const ImageId& image) noexcept {
  auto map = read_pagemap(directory_.get(), pagemap_name(image));
  if (!map.ok()) return map.error();
  std::erase_if(map.value().entries, [](const PagemapEntry& entry) { return (entry.flags & kLazy) == 0; });
  return std::move(map.value().entries);
}

Result<void> PeerSource::begin(Taker& taker, const Cancel& stop) noexcept {
  taker_ = &taker;
  stop_ = &stop;
  auto buffer = buffers_.borrow();
  if (!buffer.ok()) return buffer.error();
  buffer_.emplace(std::move(buffer).value());
  auto thread = Thread::spawn("frazil-peer", *this);
  if (!thread.ok()) return thread.error();
  thread_ = std::move(thread).value();
  return {};
}

bool PeerSource::may_ask(const Want& want) const noexcept {
  if (asked_.count() >= kMaxAsked) return false;
  return want.urgency == Urgency::urgent || asked_.bytes() < window_.bytes();
}

std::optional<SourceFailure> PeerSource::fetch(const Want& want, Taker&) noexcept {
  Want rest = want;
  std::unique_lock held(mutex_);
  while (!over_ && rest.pages > 0) {
    auto fresh = asked_.fresh(rest);
    const bool some = rest.vaddr != want.vaddr;
    if (!fresh && (some || want.urgency == Urgency::urgent)) return std::nullopt;
    if (!fresh || !may_ask(*fresh)) {
      changed_.wait(held);
      if (!fresh) return std::nullopt;  // some of it is there now
      continue;
    }
    const uint64_t quarter = std::max(window_.bytes() / 4 / kPageSize, kLeastPages);
    fresh->pages = std::min({fresh->pages, kMaxPages, quarter});
    if (auto asked = ask(*fresh); !asked.ok()) return SourceFailure{asked.error(), want.image, fresh->vaddr};
    const uint64_t end = fresh->vaddr + fresh->pages * kPageSize;
    rest.pages -= (end - rest.vaddr) / kPageSize;
    rest.vaddr = end;
  }
  if (lost_) return SourceFailure{*lost_, rest.image, rest.vaddr};
  return std::nullopt;
}

// Under the lock: the order in the book is the order on the wire.
Result<void> PeerSource::ask(const Want& want) noexcept {
  std::byte bytes[kWideBytes];
  put_header(form_, {Command::get, 0, want.pages, want.vaddr, want.image.id}, bytes);
  if (auto said = say({socket_.get(), {bytes, length_of(form_)}}); !said.ok()) return said;
  asked_.add(want);
  return {};
}

void PeerSource::operator()() noexcept {
  while (!stop_->cancelled()) {
    const auto wake = wait_for(socket_.get(), POLLIN, *stop_);
    if (wake.ok() && wake.value() == Wake::cancelled) break;
    const auto read = wake.ok() ? read_what_came() : Result<void>(wake.error());
    if (read.ok()) continue;
    if (read.error().number != ECANCELED) lose(read.error());
    break;
  }
  const std::lock_guard guard(mutex_);
  over_ = true;
  changed_.notify_all();
}

// Nothing is on its way, and nobody may ever need more: then whoever asks next is told.
void PeerSource::lose(SysError error) noexcept {
  std::optional<SourceFailure> failure;
  {
    const std::lock_guard guard(mutex_);
    over_ = true;
    lost_ = error;
    if (!asked_.empty()) failure = SourceFailure{error, asked_.worst().image, asked_.worst().vaddr};
    changed_.notify_all();
  }
  if (failure) taker_->lose(*failure);
}

Result<void> PeerSource::read_what_came() noexcept {
  for (;;) {
    const auto more = body_bytes_ == 0 ? take_head() : take_pages();
    if (!more.ok()) return more.error();
    if (!more.value()) return {};
    if (stop_->cancelled() && !discarding_) return SysError{ECANCELED, "recv"};
  }
}

// 0: nothing is there.
Result<size_t> PeerSource::receive(std::byte* to, size_t bytes) noexcept {
  const ssize_t n = retry_eintr([&] { return ::recv(socket_.get(), to, bytes, MSG_DONTWAIT); });
  if (n > 0) return static_cast<size_t>(n);
  if (n == 0) return SysError{ECONNRESET, "recv"};
  if (errno == EAGAIN) return size_t{0};
  return SysError{errno, "recv"};
}

Result<bool> PeerSource::take_head() noexcept {
  const size_t length = length_of(form_);
  const auto got = receive(head_.data() + head_bytes_, length - head_bytes_);
  if (!got.ok()) return got.error();
  if (got.value() == 0) return false;
  head_bytes_ += got.value();
  if (head_bytes_ < length) return true;
  head_bytes_ = 0;
  const auto accepted = accept_head(parse_header(form_, head_.data()));
  if (!accepted.ok()) return accepted.error();
  return true;
}

Result<void> PeerSource::accept_head(const Header& head) noexcept {
  constexpr SysError kNonsense{EBADMSG, "protocol"};
  const std::lock_guard guard(mutex_);
  if (asked_.empty()) return kNonsense;
  const Want& want = asked_.first();
  if (head.command != Command::add_f || (head.flags & (kPresent | kParent)) != kPresent) return kNonsense;
  // What CRIU says when it does not have the page, before it hangs up.
  if (head.pages == 0) return SysError{ENODATA, "protocol"};
  if (head.vaddr != want.vaddr || head.dst_id != want.image.id || head.pages > want.pages) return kNonsense;
  body_bytes_ = head.pages * kPageSize;
  const auto rest = asked_.limit_first(head.pages);
  return !rest || discarding_ ? Result<void>() : ask(*rest);
}

Result<bool> PeerSource::take_pages() noexcept {
  const auto got = receive(buffer_->bytes().data() + torn_bytes_, std::min(body_bytes_, kPieceBytes - torn_bytes_));
  if (!got.ok()) return got.error();
  if (got.value() == 0) return false;
  body_bytes_ -= got.value();
  const size_t there = torn_bytes_ + got.value();
  const uint64_t pages = there / kPageSize;
  torn_bytes_ = there % kPageSize;
  if (pages == 0) return true;
  if (auto delivered = deliver(pages); !delivered.ok()) return delivered.error();
  std::memmove(buffer_->bytes().data(), buffer_->bytes().data() + pages * kPageSize, torn_bytes_);
  return true;
}

// Not on their way any more before they are put: who misses one from now on, such as a task that has just been forked, asks himself.
Result<void> PeerSource::deliver(uint64_t pages) noexcept {
  Want here{};
  {
    const std::lock_guard guard(mutex_);
    here = asked_.first();
    asked_.arrived(pages);
    window_.arrived(pages * kPageSize, now_ns());
    changed_.notify_all();
  }
  if (discarding_) return {};
  const auto taken = deliver_runs({here.image, here.vaddr, pages, buffer_->bytes().data()}, *taker_);
  const std::lock_guard guard(mutex_);
  asked_.settled();
  changed_.notify_all();
  return taken;
}

Result<void> PeerSource::finish() noexcept {
  thread_.join();
  if (lost_) return *lost_;
  if (auto drained = drain(); !drained.ok()) return drained;
  std::byte bytes[kWideBytes];
  put_header(form_, {Command::close, 0, 0, 0, 0}, bytes);
  if (auto said = say({socket_.get(), {bytes, length_of(form_)}}); !said.ok()) return said;
  int32_t status = 0;
  if (const auto heard = hear(socket_.get(), &status, kFarewell); !heard.ok()) return heard.error();
  end_orderly(std::move(socket_));
  return {};
}

// What nobody needs any more may still be on its way: pages that were asked for twice, or whose tasks have ended.
Result<void> PeerSource::drain() noexcept {
  discarding_ = true;
  const auto until = Clock::now() + kFarewell;
  while (!asked_.empty() || head_bytes_ > 0) {
    const auto ready = wait_readable(socket_.get(), until);
    if (!ready.ok()) return ready.error();
    if (!ready.value()) return SysError{ETIMEDOUT, "poll"};
    if (auto read = read_what_came(); !read.ok()) return read;
  }
  return {};
}

}  // namespace frazil::page
