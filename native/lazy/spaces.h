#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/result.h"
#include "lazy/messages.h"
#include "lazy/space.h"

namespace frazil::lazy {

using SpacePtr = std::shared_ptr<Space>;

// All spaces, and the epoll instance that their userfaultfds are in. Thread-safe.
class Spaces {
 public:
  static Result<std::unique_ptr<Spaces>> open(Board& board) noexcept;

  // From now on its faults are heard.
  Result<void> add(SpacePtr space) noexcept;
  SpacePtr find(uint64_t id) const noexcept;
  // Those whose tree has been restored, by age, forked ones last; of one that is held those that miss something.
  std::vector<SpacePtr> fillable() const noexcept;
  // All that have, or had, pages of this image.
  std::vector<SpacePtr> of(const page::ImageId& image) const noexcept;
  bool empty() const noexcept;
  // Other fillable spaces that came from the same image, in copies of the tree or by forks: what was read for one serves all.
  std::vector<SpacePtr> alike(const Space& space) const noexcept;
  // CRIU has given up a tree: nothing of it ever ran.
  void forget(const Tree& tree) noexcept;

  // Waits for one more message of this space. After each that was heard.
  void listen_again(uint64_t id, const Space& space) const noexcept;
  // Nothing is missing any more, or its task is gone: closes the userfaultfd and forgets the space. Not under its lock. False
  // when somebody else did.
  bool retire(Space& space) noexcept;

  void tree_restored() noexcept { generation_.fetch_add(1, std::memory_order_release); }
  int epoll() const noexcept { return epoll_.get(); }
  // Changes when fillable() has more.
  uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

 private:
  Spaces(UniqueFd epoll, Board& board) noexcept : epoll_(std::move(epoll)), board_(board) {}

  UniqueFd epoll_;
  Board& board_;
  mutable std::mutex mutex_;
  std::map<uint64_t, SpacePtr> spaces_;
  uint64_t next_id_ = 1;
  std::atomic<uint64_t> generation_{0};
};

}  // namespace frazil::lazy
