#pragma once

// What a peer has been asked for and has not sent yet. The peer answers in order, so a page that a task waits for comes behind all that is
// here; how much that may be is for Window.

#include <deque>
#include <optional>

#include "page/source.h"

namespace frazil::page {

// Not thread-safe.
class Asked {
 public:
  bool empty() const noexcept { return wants_.empty(); }
  size_t count() const noexcept { return wants_.size(); }
  uint64_t bytes() const noexcept { return pages_ * kPageSize; }

  // The first part of `want` that is not on its way; nothing when all of it is. What is being delivered counts as on its way unless somebody
  // waits for it: his page may have become missing just after it was put.
  std::optional<Want> fresh(Want want) const noexcept;
  void add(const Want& want);

  // The oldest, whose answer comes next. There is one.
  const Want& first() const noexcept { return wants_.front(); }
  // The page that is named when nothing comes any more: one that a task waits for, if there is such.
  const Want& worst() const noexcept;
  // The answer to the oldest has `pages` of it, at least one. What is left of it is on its way no more: it has to be asked for again.
  std::optional<Want> limit_first(uint64_t pages) noexcept;
  // So many pages of the oldest are here, and are being delivered until settled().
  void arrived(uint64_t pages) noexcept;
  void settled() noexcept { arriving_.reset(); }

 private:
  static bool skip(Want& want, const Want& one) noexcept;

  std::deque<Want> wants_;
  std::optional<Want> arriving_;
  uint64_t pages_ = 0;
};

// How much may be on its way without a task waiting for it: as much as keeps the connection busy, and little more, because a fault waits
// behind it. From the rate at which pages have come and the shortest round trip.
class Window {
 public:
  explicit Window(uint64_t round_trip_ns) noexcept : round_trip_ns_(round_trip_ns) {}

  uint64_t bytes() const noexcept { return bytes_; }
  // What has come at this moment.
  void arrived(uint64_t bytes, uint64_t now_ns) noexcept;

  static constexpr uint64_t kLeast = uint64_t{256} << 10;
  static constexpr uint64_t kMost = uint64_t{16} << 20;

 private:
  uint64_t round_trip_ns_;
  uint64_t bytes_ = kLeast;
  uint64_t since_ns_ = 0;
  uint64_t arrived_ = 0;
};

}  // namespace frazil::page
