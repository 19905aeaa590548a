// Memory that moves while it is filled, page by page: the kernel finds out where a copy goes before it looks whether an event waits
// (mm/userfaultfd.c), so a copy can be told ENOENT although its page has only moved.

#include <cstring>

#include "core/thread.h"
#include "test/lazy_rig.h"
#include "test/tests.h"

namespace frazil::lazy {
namespace {

constexpr uint64_t kMoved = kPages / 2;  // the second run
constexpr uint64_t kFollowed = 64;
constexpr uint64_t kEvents =
    UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_FORK;

// Moves the second half of a region away and back until it is told to end; then it is back.
struct Mover {
  std::byte* half;
  std::byte* elsewhere;
  std::atomic<bool> end{false};
  std::atomic<uint64_t> moves{0};
  uint64_t failed = 0;

  void move(std::byte* from, std::byte* to) noexcept {
    const size_t bytes = kMoved * kPageSize;
    failed += ::mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to;
  }
  void operator()() noexcept {
    while (!end) {
      move(half, elsewhere);
      move(elsewhere, half);
      ++moves;
      // Nothing can be brought while an event waits, and two thirds of the time one does.
      ::usleep(50);
    }
  }
};

// Brings each page of the second half by itself, in an order of its own.
struct OneByOne {
  Rig& rig;
  SpacePtr space;
  uint64_t step;
  void operator()() noexcept {
    for (uint64_t i = 0; i < kMoved && !rig.verdict.stop().cancelled(); ++i) {
      const uint64_t page = kMoved + i * step % kMoved;
      const auto& layout = space->layout();
      Into into(rig.filler, space, rig.verdict);
      const page::Want want{layout.image(), layout.vaddr_of(page), 1, page::Urgency::background};
      (void)rig.source.fetch(want, into);
    }
  }
};

// Of `pages` from page `first` on, which lie at `at`.
uint64_t wrong_pages(const std::byte* at, uint64_t first, uint64_t pages) {
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < pages; ++i) {
    uint64_t word;
    std::memcpy(&word, at + i * kPageSize, sizeof word);
    wrong += word != word_of(first + i);
  }
  return wrong;
}

void fill_while_it_moves(Tests& tests) {
  Rig rig(std::move(*open_region(kEvents)));
  const size_t bytes = kMoved * kPageSize;
  std::byte* const reserved = map_far(bytes, PROT_NONE);
  Mover mover{rig.memory + bytes, reserved};
  OneByOne up{rig, rig.spaces->find(1), 389};
  OneByOne down{rig, up.space, kMoved - 389};
  {
    Thread faults = Thread::spawn("fault", rig.faults).value();
    Thread moves = Thread::spawn("move", mover).value();
    while (mover.moves == 0) ::usleep(50);
    Thread one = Thread::spawn("up", up).value();
    Thread other = Thread::spawn("down", down).value();
    one.join();
    other.join();
    mover.end = true;
    moves.join();
    tests.expect(mover.failed == 0 && wrong_pages(mover.half, kMoved, kMoved) == 0);
    rig.verdict.filled();
  }
  tests.expect(rig.verdict.get()->event == Event::filled);
  tests.expect(rig.board.dropped_pages == 0);
  tests.expect(rig.board.remaps == 2 * mover.moves);
  (void)rig.spaces->retire(*up.space);  // nobody reads its events any more
  (void)::munmap(reserved, bytes);
}

// Waits until a place is free, and moves something there at once: while the kernel has still to say what has left it.
struct Follower {
  std::byte* from;
  std::byte* place;
  bool moved = false;
  void operator()() noexcept {
    const size_t bytes = kFollowed * kPageSize;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    while (::mmap(place, bytes, PROT_NONE, flags, -1, 0) != place) continue;
    moved = ::mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place;
  }
};

// How the place becomes free.
enum class Leave : uint8_t { move, unmap };

void follow(Tests& tests, Leave leave) {
  Rig rig(std::move(*open_region(kEvents)));
  const size_t bytes = kFollowed * kPageSize;
  std::byte* const reserved = map_far(bytes, PROT_NONE);
  std::byte* const second = rig.memory + kMoved * kPageSize;
  Follower follower{second, rig.memory};
  {
    Thread faults = Thread::spawn("fault", rig.faults).value();
    Thread follows = Thread::spawn("follow", follower).value();
    ::usleep(100);
    if (leave == Leave::move)
      tests.expect(::mremap(rig.memory, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, reserved) == reserved);
    else
      tests.expect(::munmap(rig.memory, bytes) == 0);
    follows.join();
    tests.expect(follower.moved && wrong_pages(rig.memory, kMoved, kFollowed) == 0);
    if (leave == Leave::move) tests.expect(wrong_pages(reserved, 0, kFollowed) == 0);
    rig.verdict.filled();
  }
  tests.expect(rig.board.dropped_pages == (leave == Leave::unmap ? kFollowed : 0));
  (void)rig.spaces->retire(*rig.spaces->find(1));
  (void)::munmap(reserved, bytes);
}

}  // namespace
}  // namespace frazil::lazy

namespace frazil {

void test_lazy_move(Tests& tests) {
  if (!lazy::open_region()) return tests.skip("filling memory that moves", "userfaultfd is not permitted");
  tests.run("no page is lost that is moved while it is brought", [&] {
    for (int round = 0; round < 20; ++round) lazy::fill_while_it_moves(tests);
  });
  tests.run("what moves where something else has just left is not taken for that", [&] {
    for (int round = 0; round < 200; ++round) {
      lazy::follow(tests, lazy::Leave::move);
      lazy::follow(tests, lazy::Leave::unmap);
    }
  });
}

}  // namespace frazil
