#include "page/asked.h"

#include <algorithm>

namespace frazil::page {
namespace {

// Shorter than this a rate says more about the scheduler than about the connection.
constexpr uint64_t kLeastSampleNs = 2'000'000;

uint64_t end_of(const Want& want) noexcept { return want.vaddr + want.pages * kPageSize; }

void begin_at(Want& want, uint64_t vaddr) noexcept {
  want.pages -= (vaddr - want.vaddr) / kPageSize;
  want.vaddr = vaddr;
}

}  // namespace

// Whether `want` began within `one`; it begins behind it then, or is empty.
bool Asked::skip(Want& want, const Want& one) noexcept {
  if (one.image != want.image || one.vaddr > want.vaddr || end_of(one) <= want.vaddr) return false;
  begin_at(want, std::min(end_of(one), end_of(want)));
  return true;
}

std::optional<Want> Asked::fresh(Want want) const noexcept {
  for (bool skipped = true; skipped && want.pages > 0;) {
    skipped = want.urgency == Urgency::background && arriving_ && skip(want, *arriving_);
    for (const Want& one : wants_) skipped = (want.pages > 0 && skip(want, one)) || skipped;
  }
  if (want.pages == 0) return std::nullopt;
  for (const Want& one : wants_) {
    if (one.image == want.image && one.vaddr > want.vaddr)
      want.pages = std::min(want.pages, (one.vaddr - want.vaddr) / kPageSize);
  }
  return want;
}

void Asked::add(const Want& want) {
  wants_.push_back(want);
  pages_ += want.pages;
}

const Want& Asked::worst() const noexcept {
  const auto urgent =
      std::find_if(wants_.begin(), wants_.end(), [](const Want& one) { return one.urgency == Urgency::urgent; });
  return urgent == wants_.end() ? wants_.front() : *urgent;
}

std::optional<Want> Asked::limit_first(uint64_t pages) noexcept {
  Want& first = wants_.front();
  if (pages == first.pages) return std::nullopt;
  Want rest = first;
  begin_at(rest, first.vaddr + pages * kPageSize);
  first.pages = pages;
  pages_ -= rest.pages;
  return rest;
}

void Asked::arrived(uint64_t pages) noexcept {
  Want& first = wants_.front();
  arriving_ = first;
  arriving_->pages = pages;
  begin_at(first, first.vaddr + pages * kPageSize);
  pages_ -= pages;
  if (first.pages == 0) wants_.pop_front();
}

void Window::arrived(uint64_t bytes, uint64_t now_ns) noexcept {
  if (since_ns_ == 0) since_ns_ = now_ns;
  arrived_ += bytes;
  const uint64_t took = now_ns - since_ns_;
  if (took < std::max(round_trip_ns_, kLeastSampleNs)) return;
  // A quarter more than what one round trip brings, so that a connection that could do more shows it.
  const uint64_t trip = arrived_ * round_trip_ns_ / took;
  bytes_ = std::clamp(trip + trip / 4 + kLeast, kLeast, kMost);
  since_ns_ = now_ns;
  arrived_ = 0;
}

}  // namespace frazil::page
