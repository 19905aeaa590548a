#include "lazy/filler.h"

#include <shared_mutex>

#include "lazy/processes.h"

namespace frazil::lazy {
namespace {

using page::kPageSize;

// One UFFDIO_COPY: long enough for the system call not to count, short enough for a cancel.
constexpr uint64_t kMaxPages = 512;

}  // namespace

Result<void> Filler::put(const SpacePtr& space, const page::Arrival& arrival) noexcept {
  const auto stretch = space->layout().stretch_at(arrival.vaddr);
  if (!stretch) return {};
  for (;;) {
    if (verdict_.stop().cancelled()) return SysError{ECANCELED, "ioctl"};
    const auto next = put_now(*space, arrival, stretch->first);
    if (!next.ok()) return next.error();
    if (next.value() == Next::done) return {};
    if (next.value() == Next::ended) {
      end(space);
      return {};
    }
    // An event waits: whoever reads it lets the kernel copy again, and the segments may be others now.
    backlog_.push(events_.read(space));
  }
}

Result<Filler::Next> Filler::put_now(Space& space, const page::Arrival& arrival, uint64_t first) noexcept {
  uint64_t limit = kMaxPages;
  const std::shared_lock shared(space.lock());
  uint64_t from = first;
  const uint64_t end = first + arrival.pages;
  while (!space.closed()) {
    auto range = space.missing_of(from, end - from);
    if (!range) return Next::done;
    range->pages = std::min(range->pages, limit);
    const std::byte* bytes = arrival.bytes == nullptr ? nullptr : arrival.bytes + (range->first - first) * kPageSize;
    const auto next = step(space, *range, bytes, &limit);
    if (!next.ok() || next.value() != Next::done) return next;
  }
  return Next::ended;
}

// Fills one range as far as one call gets. `done` means: look again.
Result<Filler::Next> Filler::step(Space& space, Range& range, const std::byte* bytes, uint64_t* limit) noexcept {
  const uint64_t length = range.pages * kPageSize;
  const auto filled =
      bytes == nullptr ? uffd::zero(space.fd(), range.at, length) : uffd::copy(space.fd(), range.at, bytes, length);
  switch (filled.error) {
    case 0:
      space.settle();
      count(space, space.mark(range.first, filled.bytes / kPageSize), bytes == nullptr ? How::zero : How::copied);
      *limit = kMaxPages;
      return Next::done;
    case EEXIST:
      space.settle();
      count(space, space.mark(range.first, 1), How::found);
      uffd::wake(space.fd(), range.at, kPageSize);
      return Next::done;
    case EAGAIN:
      return Next::again;
    case ESRCH:
      return Next::ended;
    case ENOENT:
      // It may have moved away in this very call. The lock is held, so nobody has read that yet.
      if (uffd::is_changing(space.fd())) return Next::again;
      return unregistered(space, range, limit);
    default:
      if (filled.error != EFAULT) verdict_.fail(Fault::system, {filled.error, "ioctl"});
      return SysError{filled.error, "ioctl"};
  }
}

// A range that reaches beyond its mapping is ENOENT as a whole; so the page alone decides. A forked task may lack what its parent has
// (MADV_DONTFORK). A restored one may not: its page would read as zeros.
Result<Filler::Next> Filler::unregistered(Space& space, const Range& range, uint64_t* limit) noexcept {
  if (range.pages > 1) {
    *limit = range.pages / 2;
    return Next::done;
  }
  if (!space.tree().restored) return Next::ended;
  if (!space.forked() && is_mapped(space.pid(), range.at)) {
    verdict_.fail_at(Fault::unregistered, page::SourceFailure{{ENOENT, "ioctl"}, space.layout().image(), range.at});
    return SysError{ECANCELED, "ioctl"};
  }
  const uint64_t lost = space.mark(range.first, 1);
  if (!space.forked()) board_.dropped_pages.fetch_add(lost, std::memory_order_relaxed);
  return Next::done;
}

void Filler::count(const Space& space, uint64_t fresh, How how) noexcept {
  auto& whose = space.forked() ? board_.forked_pages : board_.done_pages;
  whose.fetch_add(fresh, std::memory_order_relaxed);
  if (how == How::copied) board_.copied_pages.fetch_add(fresh, std::memory_order_relaxed);
  if (how == How::zero) board_.zero_pages.fetch_add(fresh, std::memory_order_relaxed);
}

void Filler::count_read(uint64_t pages) noexcept {
  board_.source_bytes.fetch_add(pages * kPageSize, std::memory_order_relaxed);
}

Result<void> Into::take(const page::Arrival& arrival) noexcept {
  filler_.count_read(arrival.pages);
  if (auto put = filler_.put(space_, arrival); !put.ok()) return put;
  for (const SpacePtr& other : others_) {
    if (auto put = filler_.put(other, arrival); !put.ok()) return put;
  }
  return {};
}

void Filler::put_zero(const SpacePtr& space, uint64_t address) noexcept {
  while (!verdict_.stop().cancelled()) {
    int error;
    {
      const std::shared_lock shared(space->lock());
      if (space->closed()) return;
      // What was foreign when the fault was read may have been moved there since.
      if (space->state_at(address) == Space::State::missing) return backlog_.push({{space, address, now_ns()}});
      error = uffd::zero(space->fd(), address, kPageSize).error;
      if (error != EAGAIN && error != 0) uffd::wake(space->fd(), address, kPageSize);
    }
    if (error == ESRCH) return end(space);
    if (error == ENOMEM) return verdict_.fail(Fault::system, {ENOMEM, "ioctl"});
    if (error != EAGAIN) return;
    backlog_.push(events_.read(space));
  }
}

void Filler::retire_if_done(const SpacePtr& space) noexcept {
  if (space->missing() == 0 && space->tree().restored) (void)spaces_.retire(*space);
}

void Filler::look_for_events(const SpacePtr& space) noexcept {
  if (space->missing() > 0) backlog_.push(events_.read(space));
}

void Filler::end(const SpacePtr& space) noexcept {
  // Before that CRIU is still at it, and says itself how that went.
  if (!space->tree().restored || !spaces_.retire(*space)) return;
  board_.ended_tasks.fetch_add(1, std::memory_order_relaxed);
  if (!space->forked()) board_.dropped_pages.fetch_add(space->missing(), std::memory_order_relaxed);
}

}  // namespace frazil::lazy
