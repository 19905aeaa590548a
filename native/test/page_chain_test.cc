// Dumps that stand on others: holes verified, answers about parents, auto-dedup.

#include <fcntl.h>
#include <sys/stat.h>

#include "page/image_file.h"
#include "test/page_client.h"
#include "test/tests.h"

namespace frazil::page {
namespace {

constexpr uint64_t kBase = 0x10000000;

constexpr uint64_t at(uint64_t page) { return kBase + page * kPageSize; }

// The levels of one test, oldest first: "0", "1", ... each with a `parent` link to the one before.
class Chain {
 public:
  explicit Chain(Tests& tests) noexcept : tests_(tests) {}

  // Takes the next level with `talk`, on the last one.
  template <typename Talk>
  std::optional<Failure> take(Talk talk, bool dedup = false) {
    const size_t level = levels_.size();
    levels_.push_back(temp_.folder(std::to_string(level)));
    const int directory = levels_.back().get();
    const int below = level == 0 ? -1 : levels_[level - 1].get();
    Dump dump(directory, level % 2 == 0 ? StoreKind::directory : StoreKind::memory, below);
    const auto failure = dump.serve(HeaderForm::wide, Way::splice, talk);
    if (failure) return failure;
    tests_.expect(dump.settle());
    if (level > 0) tests_.expect(::symlinkat(("../" + std::to_string(level - 1)).c_str(), directory, "parent") == 0);
    if (dedup) tests_.expect(dump.sink->dedup().ok());
    deduplicated = dump.counters->deduplicated_pages;
    parent_pages = dump.counters->parent_pages;
    return {};
  }
  int operator[](size_t level) const { return levels_[level].get(); }
  const TempDir& temp() const { return temp_; }

  uint64_t deduplicated = 0;
  uint64_t parent_pages = 0;

 private:
  Tests& tests_;
  TempDir temp_;
  std::vector<UniqueFd> levels_;
};

struct Memory {
  std::mt19937 random{4};
  Bytes oldest = random_pages(random, 100);
  Bytes middle = random_pages(random, 20);
  Bytes newest = random_pages(random, 5);
};

// Level 0 has pages 0..99, level 1 replaces 10..29, level 2 replaces 25..29 and 50..54.
void take_three(Tests& tests, Chain& chain, const Memory& m, bool dedup) {
  tests.expect(!chain.take([&](FakeCriu& criu) {
    tests.expect(criu.ask_parent(task_id(1)) == false && criu.open2(task_id(1)) == false);
    tests.expect(criu.pages(at(0), m.oldest) && criu.close() == 0);
  }));
  tests.expect(!chain.take(
      [&](FakeCriu& criu) {
        tests.expect(criu.ask_parent(task_id(1)) == true && criu.ask_parent(task_id(2)) == false);
        tests.expect(criu.open2(task_id(1)) == true && criu.run(kParent, at(0), 10) && criu.pages(at(10), m.middle));
        tests.expect(criu.run(kParent, at(30), 70) && criu.close() == 0);
      },
      dedup));
  tests.expect(chain.deduplicated == (dedup ? 20 : 0) && chain.parent_pages == 80);
  tests.expect(!chain.take(
      [&](FakeCriu& criu) {
        tests.expect(criu.open2(task_id(1)) == true && criu.run(kParent, at(0), 25) && criu.pages(at(25), m.newest));
        tests.expect(criu.run(kParent, at(30), 20) && criu.pages(at(50), m.newest) && criu.run(kParent, at(55), 45));
        tests.expect(criu.close() == 0);
      },
      dedup));
  // 25..29 are in both levels below, 50..54 in the oldest alone; what was punched already counts again.
  tests.expect(chain.deduplicated == (dedup ? 15 : 0));
}

void test_three_levels(Tests& tests) {
  tests.run("three levels: holes stand on the level below, which may itself have a hole there", [&] {
    Chain chain(tests);
    const Memory memory;
    take_three(tests, chain, memory, false);
    const auto map = read_pagemap(chain[2], "pagemap-1.img").value();
    tests.expect(map.entries.size() == 5 && map.entries[0].flags == kParent && map.entries[1].flags == kPresent);
    tests.expect(read_file(chain[0], "pages-1.img") == memory.oldest);
    tests.expect(read_file(chain[1], "pages-1.img") == memory.middle);
  });
}

// Whether pages [from, until) of the file are zero, and all others what they were.
bool punched(const Bytes& found, Bytes wanted, std::initializer_list<std::pair<size_t, size_t>> holes) {
  for (const auto& [from, until] : holes) {
    std::fill(wanted.begin() + static_cast<long>(from * kPageSize),
              wanted.begin() + static_cast<long>(until * kPageSize), std::byte{0});
  }
  return found == wanted;
}

void test_dedup(Tests& tests) {
  tests.run("dedup() frees what was replaced in every ancestor, and nothing else", [&] {
    Chain chain(tests);
    const Memory memory;
    take_three(tests, chain, memory, true);
    tests.expect(punched(read_file(chain[0], "pages-1.img"), memory.oldest, {{10, 30}, {50, 55}}));
    tests.expect(punched(read_file(chain[1], "pages-1.img"), memory.middle, {{15, 20}}));
    tests.expect(allocated(chain[0], "pages-1.img") == 75 * kPageSize);
    tests.expect(allocated(chain[1], "pages-1.img") == 15 * kPageSize);
  });
  tests.run("dedup-only-after-the-dump: a reception that fails leaves its parents whole", [&] {
    Chain chain(tests);
    const Memory memory;
    take_three(tests, chain, memory, false);
    const auto failure = chain.take(
        [&](FakeCriu& criu) { tests.expect(criu.open2(task_id(1)) == true && criu.pages(at(0), memory.oldest)); });
    tests.expect(failure && failure->fault == Fault::hung_up);
    tests.expect(read_file(chain[0], "pages-1.img") == memory.oldest &&
                 read_file(chain[1], "pages-1.img") == memory.middle);
  });
  tests.run("dedup() ends at a level that the task is not in: a pid below it is another task's", [&] {
    Chain chain(tests);
    const Memory m;
    const auto only = [&](uint64_t pid) {
      return [&, pid](FakeCriu& criu) {
        tests.expect(criu.open2(task_id(pid)).has_value() && criu.pages(at(0), m.middle) && criu.close() == 0);
      };
    };
    tests.expect(!chain.take(only(1)) && !chain.take(only(2)) && !chain.take(only(1), true));
    tests.expect(chain.deduplicated == 0 && read_file(chain[0], "pages-1.img") == m.middle);
  });
}

void expect_fault(Tests& tests, Chain& chain, Fault fault, uint64_t from, uint64_t pages) {
  const auto failure = chain.take([&](FakeCriu& criu) {
    tests.expect(criu.open2(task_id(1)).has_value() && criu.run(kParent, at(from), pages));
    tests.expect(!criu.close());
  });
  tests.expect(failure && failure->fault == fault && failure->vaddr == at(from) && failure->pages == pages);
}

void test_holes(Tests& tests) {
  struct Case {
    const char* title;
    uint64_t from;
    uint64_t pages;
  };
  const Case cases[] = {{"before the parent's first page", 99, 2},
                        {"over its end", 195, 20},
                        {"over a gap", 145, 10},
                        {"behind it", 300, 1}};
  for (const auto& [title, from, pages] : cases) {
    tests.run(title, [&] {
      Chain chain(tests);
      const Memory m;
      tests.expect(!chain.take([&](FakeCriu& criu) {
        tests.expect(criu.open2(task_id(1)) == false && criu.pages(at(100), zero_pages(50)));
        tests.expect(criu.pages(at(151), zero_pages(49)) && criu.close() == 0);
      }));
      expect_fault(tests, chain, Fault::hole_not_in_parent, from, pages);
    });
  }
  tests.run("a hole in an image that the parent has not", [&] {
    Chain chain(tests);
    tests.expect(
        !chain.take([&](FakeCriu& criu) { tests.expect(criu.open2(task_id(2)) == false && criu.close() == 0); }));
    expect_fault(tests, chain, Fault::hole_without_parent, 0, 1);
  });
}

void test_broken(Tests& tests) {
  const char* kinds[] = {"garbage", "a link", "a fifo", "cut short"};
  for (size_t kind = 0; kind < std::size(kinds); ++kind) {
    tests.run((std::string("a parent's pagemap that is ") + kinds[kind]).c_str(), [&] {
      Chain chain(tests);
      tests.expect(!chain.take([&](FakeCriu& criu) {
        tests.expect(criu.open2(task_id(1)) == false && criu.pages(at(0), zero_pages(2)) && criu.close() == 0);
      }));
      const int parent = chain[0];
      if (kind == 3) {
        const UniqueFd file = reopen_image_file(parent, "pagemap-1.img").value();
        tests.expect(::ftruncate(file.get(), 20) == 0);
      } else {
        tests.expect(::unlinkat(parent, "pagemap-1.img", 0) == 0);
        if (kind == 0)
          tests.expect(::write(create_image_file(parent, "pagemap-1.img", O_WRONLY).value().get(), "nothing", 7) == 7);
        if (kind == 1) tests.expect(::symlinkat("/proc/version", parent, "pagemap-1.img") == 0);
        if (kind == 2) tests.expect(::mkfifoat(parent, "pagemap-1.img", 0600) == 0);
      }
      const auto failure = chain.take([&](FakeCriu& criu) { tests.expect(!criu.open2(task_id(1))); });
      tests.expect(failure && failure->fault == Fault::bad_parent);
    });
  }
}

int errno_of_chain(int nearest) {
  const auto chain = ParentChain::open(duplicate(nearest));
  return chain.ok() ? 0 : chain.error().number;
}

void test_links(Tests& tests) {
  tests.run("a chain that leads to itself is refused before it takes all fds", [&] {
    const TempDir temp;
    const UniqueFd a = temp.folder("a");
    const UniqueFd b = temp.folder("b");
    tests.expect(::symlinkat("../b", a.get(), "parent") == 0 && ::symlinkat("../a", b.get(), "parent") == 0);
    tests.expect(errno_of_chain(a.get()) == ELOOP);
  });
  tests.run("a link that leads nowhere is not the end of the chain", [&] {
    const TempDir temp;
    const UniqueFd a = temp.folder("a");
    tests.expect(errno_of_chain(a.get()) == 0);
    tests.expect(::symlinkat("../gone", a.get(), "parent") == 0);
    tests.expect(errno_of_chain(a.get()) == ENOENT);
  });
  tests.run("a parent that is a file is refused", [&] {
    const TempDir temp;
    const UniqueFd a = temp.folder("a");
    const UniqueFd file = create_image_file(a.get(), "parent", O_WRONLY).value();
    tests.expect(errno_of_chain(a.get()) == ENOTDIR);
  });
}

}  // namespace
}  // namespace frazil::page

void frazil::test_page_chain(Tests& tests) {
  page::test_three_levels(tests);
  page::test_dedup(tests);
  page::test_holes(tests);
  page::test_broken(tests);
  page::test_links(tests);
}
