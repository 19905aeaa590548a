#include "lazy/events.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <ctime>

namespace frazil::lazy {
namespace {

constexpr size_t kBatch = 32;

}  // namespace

uint64_t now_ns() noexcept {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

Result<std::unique_ptr<Backlog>> Backlog::open() noexcept {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return SysError{errno, "eventfd"};
  return std::unique_ptr<Backlog>(new Backlog(std::move(event)));
}

void Backlog::push(std::vector<PendingFault> faults) noexcept {
  if (faults.empty()) return;
  const std::lock_guard guard(mutex_);
  std::move(faults.begin(), faults.end(), std::back_inserter(faults_));
  const uint64_t one = 1;
  (void)!::write(event_.get(), &one, sizeof one);  // fails when it is readable already
}

std::vector<PendingFault> Backlog::take() noexcept {
  const std::lock_guard guard(mutex_);
  uint64_t ignored;
  (void)!::read(event_.get(), &ignored, sizeof ignored);  // fails when another thread was faster
  return std::exchange(faults_, {});
}

// The kernel gives faults before events, so a fault may be about a place that an event has changed, which is still to be read: it is
// looked up only when all is read, and if it is wrong even then (the next event waits already), the kernel says EAGAIN.
std::vector<PendingFault> Events::read(const SpacePtr& space) noexcept {
  std::vector<PendingFault> faults;
  std::array<uffd_msg, kBatch> messages;
  const std::lock_guard exclusive(space->lock());
  lose(*space, space->forget_settled());
  while (!space->closed()) {
    const auto got = uffd::read_messages(space->fd(), messages);
    if (!got.ok()) {
      verdict_.fail(Fault::system, got.error());
      break;
    }
    const uint64_t now = now_ns();
    for (size_t i = 0; i < got.value(); ++i) {
      const uffd_msg& message = messages[i];
      if (message.event == UFFD_EVENT_PAGEFAULT)
        faults.push_back({space, message.arg.pagefault.address & ~(page::kPageSize - 1), now});
      else
        apply(*space, message);
    }
    if (got.value() < messages.size()) break;
  }
  return faults;
}

void Events::apply(Space& space, const uffd_msg& message) noexcept {
  const auto& arg = message.arg;
  switch (message.event) {
    case UFFD_EVENT_FORK:
      board_.forks.fetch_add(1, std::memory_order_relaxed);
      fork(space, UniqueFd(static_cast<int>(arg.fork.ufd)));
      break;
    case UFFD_EVENT_REMAP:
      board_.remaps.fetch_add(1, std::memory_order_relaxed);
      space.moved(arg.remap.from, arg.remap.to, arg.remap.len);
      break;
    case UFFD_EVENT_REMOVE:
      board_.removes.fetch_add(1, std::memory_order_relaxed);
      lose(space, space.removed(arg.remove.start, arg.remove.end));
      break;
    case UFFD_EVENT_UNMAP:
      board_.unmaps.fetch_add(1, std::memory_order_relaxed);
      lose(space, space.unmapped(arg.remove.start, arg.remove.end));
      break;
    default:
      // A kernel that says more than it was asked to.
      verdict_.fail(Fault::system, {EPROTO, "read"});
  }
}

void Events::fork(Space& parent, UniqueFd child) noexcept {
  auto added = spaces_.add(std::make_shared<Space>(std::move(child), parent));
  if (!added.ok()) verdict_.fail(Fault::system, added.error());
}

void Events::lose(const Space& space, uint64_t pages) noexcept {
  if (!space.forked()) board_.dropped_pages.fetch_add(pages, std::memory_order_relaxed);
}

}  // namespace frazil::lazy
