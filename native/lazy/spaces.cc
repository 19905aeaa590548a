#include "lazy/spaces.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

namespace frazil::lazy {
namespace {

// One thread hears of a message, reads what there is, and then asks for the next: two in one space would only wait for its lock.
constexpr uint32_t kOnce = EPOLLIN | EPOLLONESHOT;

epoll_event event_of(uint64_t id) noexcept {
  epoll_event event{};
  event.events = kOnce;
  event.data.u64 = id;
  return event;
}

}  // namespace

Result<std::unique_ptr<Spaces>> Spaces::open(Board& board) noexcept {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return SysError{errno, "epoll_create1"};
  return std::unique_ptr<Spaces>(new Spaces(std::move(epoll), board));
}

Result<void> Spaces::add(SpacePtr space) noexcept {
  const std::lock_guard guard(mutex_);
  const uint64_t id = next_id_++;
  epoll_event event = event_of(id);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, space->fd(), &event) == -1) return SysError{errno, "epoll_ctl"};
  board_.tasks.fetch_add(1, std::memory_order_relaxed);
  spaces_.emplace(id, std::move(space));
  generation_.fetch_add(1, std::memory_order_release);
  return {};
}

SpacePtr Spaces::find(uint64_t id) const noexcept {
  const std::lock_guard guard(mutex_);
  const auto at = spaces_.find(id);
  return at == spaces_.end() ? nullptr : at->second;
}

std::vector<SpacePtr> Spaces::fillable() const noexcept {
  std::vector<SpacePtr> found;
  {
    const std::lock_guard guard(mutex_);
    for (const auto& [id, space] : spaces_) {
      const Tree& tree = space->tree();
      if (tree.restored || (tree.held && space->missing() > 0)) found.push_back(space);
    }
  }
  std::stable_partition(found.begin(), found.end(), [](const SpacePtr& space) { return !space->forked(); });
  return found;
}

std::vector<SpacePtr> Spaces::of(const page::ImageId& image) const noexcept {
  std::vector<SpacePtr> found;
  const std::lock_guard guard(mutex_);
  for (const auto& [id, space] : spaces_) {
    if (space->layout().image() == image) found.push_back(space);
  }
  return found;
}

bool Spaces::empty() const noexcept {
  const std::lock_guard guard(mutex_);
  return spaces_.empty();
}

std::vector<SpacePtr> Spaces::alike(const Space& space) const noexcept {
  if (board_.tasks.load(std::memory_order_relaxed) < 2) return {};
  std::vector<SpacePtr> found = fillable();
  std::erase_if(found, [&](const SpacePtr& one) {
    return one.get() == &space || one->layout().image() != space.layout().image();
  });
  return found;
}

void Spaces::forget(const Tree& tree) noexcept {
  std::vector<SpacePtr> gone;
  {
    const std::lock_guard guard(mutex_);
    for (const auto& [id, space] : spaces_) {
      if (&space->tree() == &tree) gone.push_back(space);
    }
  }
  for (const SpacePtr& space : gone) (void)retire(*space);
}

void Spaces::listen_again(uint64_t id, const Space& space) const noexcept {
  epoll_event event = event_of(id);
  // Fails when it was retired meanwhile.
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, space.fd(), &event);
}

bool Spaces::retire(Space& space) noexcept {
  UniqueFd closing;
  {
    const std::lock_guard exclusive(space.lock());
    closing = space.close();
  }
  if (!closing) return false;
  const std::lock_guard guard(mutex_);
  std::erase_if(spaces_, [&](const auto& entry) { return entry.second.get() == &space; });
  // Closing takes it out of the epoll set: nobody has a duplicate.
  return true;
}

}  // namespace frazil::lazy
