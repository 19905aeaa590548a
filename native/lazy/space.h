#pragma once

// The memory of one task while it is being filled: where each page of its image lies now, and which are there. Pure bookkeeping; who
// calls the kernel holds the lock (filler.h). Reading and marking need it shared, what changes segments needs it exclusively.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/rw_lock.h"
#include "core/unique_fd.h"
#include "page/pagemap.h"

namespace frazil::lazy {

// What an image has for lazy filling, numbered: page `index` of the image. Shared by all spaces that came from it.
class Layout {
 public:
  Layout(page::ImageId image, std::vector<page::PagemapEntry> runs);

  const page::ImageId& image() const noexcept { return image_; }
  uint64_t pages() const noexcept { return pages_; }
  size_t runs() const noexcept { return runs_.size(); }
  const page::PagemapEntry& run(size_t i) const noexcept { return runs_[i]; }
  uint64_t first_of(size_t i) const noexcept { return firsts_[i]; }

  uint64_t vaddr_of(uint64_t index) const noexcept;
  // How many pages from `vaddr` on are in one run, and the number of the first; nothing when the page is in none.
  struct Stretch {
    uint64_t first;
    uint64_t pages;
  };
  std::optional<Stretch> stretch_at(uint64_t vaddr) const noexcept;

 private:
  page::ImageId image_;
  std::vector<page::PagemapEntry> runs_;
  std::vector<uint64_t> firsts_;
  uint64_t pages_ = 0;
};

// Pages that follow each other in the task and in one run of the image.
struct Range {
  uint64_t at;     // address in the task, now
  uint64_t first;  // page of the image
  uint64_t pages;
  uint64_t end() const noexcept { return at + pages * page::kPageSize; }
};

// One restore. `restored` is set when CRIU has registered every range of every task; before that only faults can be answered.
struct Tree {
  uint64_t index;
  std::atomic<bool> restored{false};
  // All of that is so, and CRIU has not said it yet.
  std::atomic<bool> held{false};
};

class Space {
 public:
  // `pid` is 0 for a forked task: the kernel does not say which one it is.
  Space(UniqueFd uffd, std::shared_ptr<const Layout> layout, pid_t pid, std::shared_ptr<const Tree> tree);
  // The child's, at the moment of the fork.
  Space(UniqueFd uffd, const Space& parent);

  RwLock& lock() noexcept { return lock_; }
  int fd() const noexcept { return fd_.get(); }
  pid_t pid() const noexcept { return pid_; }
  const Layout& layout() const noexcept { return *layout_; }
  const Tree& tree() const noexcept { return *tree_; }
  bool forked() const noexcept { return pid_ == 0; }
  bool closed() const noexcept { return !fd_; }
  // Pages that are somewhere and not there yet.
  uint64_t missing() const noexcept { return missing_.load(std::memory_order_acquire); }

  // Shared.
  enum class State : uint8_t { foreign, present, missing };
  State state_at(uint64_t address) const noexcept;
  // The longest missing range that begins with the page at `address`, which is missing, at most `pages`.
  Range missing_at(uint64_t address, uint64_t pages) const noexcept;
  // From the first missing page at or above `address` on, to the end of its segment or to the next multiple of `pages`. Of what
  // follows that page some may be there.
  std::optional<Range> next_part(uint64_t address, uint64_t pages) const noexcept;
  // The first missing range whose pages of the image are in [first, first + pages).
  std::optional<Range> missing_of(uint64_t first, uint64_t pages) const noexcept;
  // Returns how many were not marked before.
  uint64_t mark(uint64_t first, uint64_t pages) noexcept;

  // The kernel has filled, or refused for another reason than a waiting event: none is on its way. Shared.
  void settle() noexcept { settled_.store(true, std::memory_order_relaxed); }

  // Exclusive: what the events say, and how many missing pages were lost by it.
  //
  // The kernel tells of a change when it has let go of the memory's lock, so threads of one task can overtake each other: a range that one
  // has moved away or unmapped may have been filled from elsewhere by another, whose event comes first. What has been told so far says
  // what is still to come: see Leaving.
  uint64_t removed(uint64_t from, uint64_t to) noexcept { return drop(from, to); }  // comes before it is done
  uint64_t unmapped(uint64_t from, uint64_t to) noexcept;
  void moved(uint64_t from, uint64_t to, uint64_t bytes) noexcept;
  // Before events are read: what cannot be on its way any more is not waited for.
  uint64_t forget_settled() noexcept;
  UniqueFd close() noexcept { return std::move(fd_); }

 private:
  using Segments = std::vector<Range>;

  // A range of which an event is still to come, and what it held: the event is about these pages, not about those that are there by now.
  // After a move it holds nothing: the kernel tells of the move first, and then that the old range is unmapped.
  struct Leaving {
    uint64_t from;
    uint64_t to;
    Segments segments;
  };

  uint64_t drop(uint64_t from, uint64_t to) noexcept;
  uint64_t lose(const Segments& segments) noexcept;
  void place(const Segments& segments) noexcept;
  size_t segment_touching(uint64_t address) const noexcept { return touching(segments_, address); }
  static size_t touching(const Segments& segments, uint64_t address) noexcept;
  bool is_marked(uint64_t index) const noexcept;
  uint64_t missing_in(const Range& range) const noexcept;
  std::optional<Range> first_missing(const Range& range, uint64_t pages) const noexcept;
  Segments cut(uint64_t from, uint64_t to) noexcept { return cut(segments_, from, to); }
  static Segments cut(Segments& segments, uint64_t from, uint64_t to) noexcept;

  RwLock lock_;
  UniqueFd fd_;
  pid_t pid_;
  std::shared_ptr<const Tree> tree_;
  std::shared_ptr<const Layout> layout_;
  Segments segments_;             // by address
  bool moved_ = false;            // then the order by address is no longer the order by page
  std::vector<Leaving> leaving_;  // oldest first
  std::atomic<bool> settled_{false};
  std::vector<std::atomic<uint64_t>> marks_;
  std::atomic<uint64_t> missing_;
};

}  // namespace frazil::lazy
