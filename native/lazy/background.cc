#include "lazy/background.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <shared_mutex>
#include <utility>

#include "sys/thread_slice.h"

namespace frazil::lazy {
namespace {

using page::kPageSize;

// What one thread claims: 2 MiB, the memory of one page table, so that no two threads are in the same one.
constexpr uint64_t kClaim = 512;
// 256 KiB, 100 us: for so long a fault may have to wait, for the space's lock or for the processor. Shorter ones cost more of that.
constexpr uint64_t kPiece = 64;
constexpr uint64_t kTurnNs = 100'000;
constexpr uint64_t kQuietNs = 3'000'000;
constexpr std::chrono::microseconds kPause{200};

// A tree that has begun to run asks for a page, goes on for some microseconds, and asks for the next, until it has what it works with: then the
// processors are better with it than with us. A Node server answers its first request after 15 ms of this, and after 50 without.
constexpr uint64_t kHeadStartNs = 30'000'000;
constexpr uint64_t kAskingNs = 2'000'000;  // since its last fault
// That server has 50 to 100 faults in this time. A tree that has fewer waits for something else in between, and leaves processors idle.
constexpr uint64_t kSpellNs = 5'000'000;
constexpr uint64_t kSpellFaults = 25;
constexpr std::chrono::microseconds kGlance{500};

struct Spell {
  uint64_t since_ns;
  uint64_t faults;
};

}  // namespace

void Background::tree_restored(When when) noexcept {
  const std::lock_guard guard(mutex_);
  spaces_.tree_restored();
  begun_ = begun_ || when == When::begin;
  changed_.notify_all();
}

void Background::no_more_trees() noexcept {
  const std::lock_guard guard(mutex_);
  begun_ = complete_ = true;
  changed_.notify_all();
}

void Background::stop() noexcept {
  const std::lock_guard guard(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

void Background::operator()() noexcept {
  // Not at a lower priority: one that was put behind while it holds a space's lock would hold up those that answer faults.
  take_short_turns(kTurnNs);
  replay();
  uint64_t head_start = bytes_per_second_ > 0 ? 0 : kHeadStartNs;
  while (const auto claim = next()) {
    give_way(head_start);
    fill(*claim);
    release(claim->range.pages);
  }
}

// As long as faults follow each other closely, but not for longer than `left`, of which it takes what it has waited.
void Background::give_way(uint64_t& left) noexcept {
  std::unique_lock held(mutex_);
  uint64_t now = now_ns();
  Spell spell{now, board_.faults.load(std::memory_order_relaxed)};
  while (left > 0 && !stopped_) {
    if (now - board_.last_fault_ns.load(std::memory_order_relaxed) > kAskingNs) return;
    if (now - spell.since_ns >= kSpellNs) {
      const Spell next{now, board_.faults.load(std::memory_order_relaxed)};
      if (next.faults - spell.faults < kSpellFaults) {
        left = 0;
        return;
      }
      spell = next;
    }
    (void)changed_.wait_for(held, kGlance);
    const uint64_t before = std::exchange(now, now_ns());
    left -= std::min(left, now - before);
  }
}

// In the recorded order, as long as there is one.
void Background::replay() noexcept {
  {
    std::unique_lock held(mutex_);
    changed_.wait(held, [&] { return begun_ || stopped_; });
  }
  while (!verdict_.stop().cancelled()) {
    const size_t i = replayed_.fetch_add(1, std::memory_order_relaxed);
    if (i >= replay_.size()) return;
    replay(replay_[i]);
  }
}

// What a line names is looked up anew: the pages may be there, the task gone, the checkpoint another one.
void Background::replay(const OrderedRun& run) noexcept {
  for (const SpacePtr& space : spaces_.fillable()) {
    if (space->forked() || space->layout().image() != page::ImageId{page::ImageId::Kind::task, run.image}) continue;
    const auto stretch = space->layout().stretch_at(run.vaddr);
    if (!stretch) continue;
    std::optional<Range> range;
    {
      const std::shared_lock shared(space->lock());
      range = space->missing_of(stretch->first, std::min(run.pages, stretch->pages));
    }
    if (!range) continue;
    board_.replayed_pages.fetch_add(range->pages, std::memory_order_relaxed);
    fill({space, *range});
  }
}

std::optional<Background::Claim> Background::next() noexcept {
  std::unique_lock held(mutex_);
  while (!stopped_ && !verdict_.stop().cancelled()) {
    if (!begun_) {
      changed_.wait(held);
      continue;
    }
    if (auto claim = look()) {
      ++busy_;
      return claim;
    }
    const bool more = !spaces_.fillable().empty();
    // What others have claimed may come back: an event can have been in their way.
    if (busy_ > 0 || (!more && !complete_)) {
      changed_.wait(held);
    } else if (!more && spaces_.empty()) {
      verdict_.filled();
      changed_.notify_all();
    } else if (more || !spaces_.empty()) {
      // Seldom: a page that is nowhere until an event says where; a task that has ended after the last look.
      changed_.wait_for(held, kPause);
    }
  }
  return std::nullopt;
}

// From where the last search ended to the last space; then nothing, once, and the next search begins anew.
std::optional<Background::Claim> Background::look() noexcept {
  if (const uint64_t generation = spaces_.generation(); generation != generation_ || current_ >= order_.size()) {
    // A forked task joins at the end: what was before it stays before it.
    const SpacePtr now = generation_ != ~uint64_t{0} && current_ < order_.size() ? order_[current_] : nullptr;
    order_ = spaces_.fillable();
    generation_ = generation;
    const auto at = std::find(order_.begin(), order_.end(), now);
    if (at == order_.end()) address_ = 0;
    current_ = at == order_.end() ? 0 : static_cast<size_t>(at - order_.begin());
  }
  for (; current_ < order_.size(); ++current_, address_ = 0) {
    const SpacePtr& space = order_[current_];
    std::optional<Range> range;
    {
      const std::shared_lock shared(space->lock());
      if (!space->closed()) range = space->next_part(address_, bytes_per_second_ > 0 ? kPiece : kClaim);
    }
    if (!range) {
      filler_.retire_if_done(space);
      filler_.look_for_events(space);
      continue;
    }
    address_ = range->end();
    return Claim{space, *range};
  }
  return std::nullopt;
}

// What a remote source is asked for at once may be long while nobody waits.
uint64_t Background::piece() const noexcept {
  if (!source_.remote() || bytes_per_second_ > 0) return kPiece;
  return now_ns() - board_.last_fault_ns.load(std::memory_order_relaxed) < kQuietNs ? kPiece : kClaim;
}

// What is still missing of it, piece by piece. Between two of them no lock is held, and whoever wants the processor gets it: the one that
// answers a fault, and the one whose fault has been answered. Without asking they would get it at the next tick, 4 ms later.
void Background::fill(const Claim& claim) noexcept {
  const uint64_t first = claim.range.first;
  const uint64_t pages = claim.range.pages;
  for (uint64_t done = 0; done < pages && !verdict_.stop().cancelled();) {
    std::optional<Range> missing;
    {
      const std::shared_lock shared(claim.space->lock());
      if (!claim.space->closed()) missing = claim.space->missing_of(first + done, pages - done);
    }
    if (!missing) break;
    missing->pages = std::min(missing->pages, piece());
    if (!bring(claim.space, *missing)) return;
    done = missing->first + missing->pages - first;
    (void)::sched_yield();
  }
  filler_.retire_if_done(claim.space);
}

bool Background::bring(const SpacePtr& space, const Range& range) noexcept {
  const auto& layout = space->layout();
  const page::Want want{layout.image(), layout.vaddr_of(range.first), range.pages, page::Urgency::background};
  Into into(filler_, space, verdict_, spaces_.alike(*space));
  const auto failure = source_.fetch(want, into);
  if (failure) verdict_.fail_at(Fault::source, *failure);
  return !failure;
}

// With a rate: keeps the claim until the next may be taken.
void Background::release(uint64_t pages) noexcept {
  std::unique_lock held(mutex_);
  if (bytes_per_second_ > 0) {
    const uint64_t now = now_ns();
    due_ns_ = std::max(due_ns_, now) + pages * kPageSize * 1'000'000'000 / bytes_per_second_;
    (void)changed_.wait_for(held, std::chrono::nanoseconds(due_ns_ - now), [&] { return stopped_; });
  }
  --busy_;
  changed_.notify_all();
}

}  // namespace frazil::lazy
