#include "lazy/fault_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <bit>
#include <shared_mutex>

#include "sys/retry.h"

namespace frazil::lazy {
namespace {

using page::kPageSize;

// Of epoll's data, beside the numbers of spaces, which begin with 1.
constexpr uint64_t kStop = 0;
constexpr uint64_t kBacklog = ~uint64_t{0};

// 64 KiB is 15 us of copying: what a task that jumps about loses at each fault by what it did not want.
constexpr uint64_t kFirstWindow = 16;
// Half a mebibyte: as long as another thread's fault may have to wait behind it.
constexpr uint64_t kMaxWindow = 128;

}  // namespace

FaultLoop::FaultLoop(Spaces& spaces, Events& events, Backlog& backlog, Filler& filler, page::Source& source,
                     Board& board, Verdict& verdict, Recorder* recorder) noexcept
    : spaces_(spaces),
      events_(events),
      backlog_(backlog),
      filler_(filler),
      source_(source),
      board_(board),
      verdict_(verdict),
      recorder_(recorder) {
  for (const auto& [fd, data] : {std::pair{verdict.stop().fd(), kStop}, std::pair{backlog.fd(), kBacklog}}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = data;
    // EEXIST: another loop was made before.
    (void)::epoll_ctl(spaces.epoll(), EPOLL_CTL_ADD, fd, &event);
  }
}

void FaultLoop::operator()() noexcept {
  while (!verdict_.stop().cancelled()) {
    epoll_event event{};
    const int n = retry_eintr([&] { return ::epoll_wait(spaces_.epoll(), &event, 1, -1); });
    if (n == -1) return verdict_.fail(Fault::system, {errno, "epoll_wait"});
    if (event.data.u64 == kStop) return;
    if (event.data.u64 == kBacklog) {
      answer(backlog_.take());
    } else {
      hear(event.data.u64);
    }
  }
}

void FaultLoop::hear(uint64_t id) noexcept {
  const SpacePtr space = spaces_.find(id);
  if (space == nullptr) return;
  const auto faults = events_.read(space);
  {
    // Before they are answered: another thread may hear of the next meanwhile.
    const std::shared_lock shared(space->lock());
    if (!space->closed()) spaces_.listen_again(id, *space);
  }
  answer(faults);
}

// First the page that each waits for, then what they will probably want next.
void FaultLoop::answer(const std::vector<PendingFault>& faults) noexcept {
  std::vector<const PendingFault*> ahead;
  for (const PendingFault& fault : faults) {
    const bool of_source = answer(fault);
    if (of_source) ahead.push_back(&fault);
    if (!of_source || delivery_ == nullptr) count_fault(board_, fault.since_ns, fault.space->tree().restored);
  }
  for (const PendingFault* fault : ahead) {
    if (fault->space->tree().restored) read_ahead(*fault);
  }
}

// True when it was a page of the source.
bool FaultLoop::answer(const PendingFault& fault) noexcept {
  if (bring(fault, fault.address, 1)) return true;
  board_.zero_faults.fetch_add(1, std::memory_order_relaxed);
  filler_.put_zero(fault.space, fault.address);
  return false;
}

void FaultLoop::read_ahead(const PendingFault& fault) noexcept {
  window_ = fault.address == expected_ ? std::min(std::max(window_ * 2, kFirstWindow), kMaxWindow) : kFirstWindow;
  (void)bring(fault, fault.address + kPageSize, window_);
  expected_ = fault.address + (window_ + 1) * kPageSize;
  filler_.retire_if_done(fault.space);
}

// False when the page at `address` is not missing.
bool FaultLoop::bring(const PendingFault& fault, uint64_t address, uint64_t pages) noexcept {
  const SpacePtr& space = fault.space;
  Range range{};
  {
    const std::shared_lock shared(space->lock());
    if (space->closed() || space->state_at(address) != Space::State::missing) return false;
    range = space->missing_at(address, pages);
  }
  const auto& layout = space->layout();
  const page::Want want{layout.image(), layout.vaddr_of(range.first), range.pages, page::Urgency::urgent};
  if (recorder_ != nullptr && pages == 1 && !space->forked()) recorder_->note(want);
  if (delivery_ != nullptr && pages == 1) delivery_->expect(want, fault);
  // What is read ahead of one copy the others will want next, too; a fault itself is answered alone.
  Into into(filler_, space, verdict_, pages > 1 && !space->forked() ? copies_of(*space) : std::vector<SpacePtr>());
  if (const auto failure = source_.fetch(want, into)) verdict_.fail_at(Fault::source, *failure);
  return true;
}

std::vector<SpacePtr> FaultLoop::copies_of(const Space& space) const noexcept {
  std::vector<SpacePtr> found = spaces_.alike(space);
  // A storm of forks is not to wait for all its tasks to be filled.
  std::erase_if(found, [](const SpacePtr& one) { return one->forked(); });
  return found;
}

size_t bucket_of(uint64_t ns) noexcept {
  const uint64_t us = ns / 1000;
  if (us == 0) return 0;
  const auto power = static_cast<unsigned>(std::bit_width(us)) - 1;
  const uint64_t step = power >= 2 ? us >> (power - 2) & 3 : us << (2 - power) & 3;
  return std::min<size_t>((power + 1) * kSteps + step, kBuckets - 1);
}

void count_fault(Board& board, uint64_t since_ns, bool restored) noexcept {
  const uint64_t now = now_ns();
  const uint64_t took = now - since_ns;
  board.last_fault_ns.store(now, std::memory_order_relaxed);
  board.faults.fetch_add(1, std::memory_order_relaxed);
  board.latency[bucket_of(took)].fetch_add(1, std::memory_order_relaxed);
  uint64_t none = 0;
  if (restored) (void)board.first_fault_ns.compare_exchange_strong(none, since_ns, std::memory_order_relaxed);
  uint64_t most = board.fault_max_ns.load(std::memory_order_relaxed);
  while (took > most && !board.fault_max_ns.compare_exchange_weak(most, took, std::memory_order_relaxed)) continue;
}

}  // namespace frazil::lazy
