// Property: whatever happens to a space, each page is where a model says that moves pages one by one, and is missing when the model says so.

#include <map>
#include <random>
#include <set>

#include "lazy/space.h"
#include "test/tests.h"

namespace frazil::lazy {
namespace {

using page::kPageSize;

constexpr uint64_t kDomain = 600;  // pages of address space

struct Model {
  std::map<uint64_t, uint64_t> index_at;  // by page of the address space
  std::set<uint64_t> there;               // pages of the image

  uint64_t missing() const {
    uint64_t n = 0;
    for (const auto& [at, index] : index_at) n += there.count(index) == 0;
    return n;
  }
  void drop(uint64_t from, uint64_t to) { index_at.erase(index_at.lower_bound(from), index_at.lower_bound(to)); }
  void move(uint64_t from, uint64_t to, uint64_t pages) {
    std::map<uint64_t, uint64_t> moved;
    for (uint64_t i = 0; i < pages; ++i) {
      if (const auto at = index_at.find(from + i); at != index_at.end()) moved[to + i] = at->second;
    }
    drop(from, from + pages);
    drop(to, to + pages);
    index_at.insert(moved.begin(), moved.end());
  }
};

std::shared_ptr<const Layout> random_layout(std::mt19937& random) {
  std::vector<page::PagemapEntry> runs;
  for (uint64_t at = random() % 9; at < kDomain / 2;) {
    const uint64_t pages = 1 + random() % 90;
    runs.push_back({at * kPageSize, pages, page::kLazy | page::kPresent});
    at += pages + random() % 7;
  }
  return std::make_shared<const Layout>(page::ImageId{page::ImageId::Kind::task, 7}, std::move(runs));
}

Model model_of(const Layout& layout) {
  Model model;
  for (size_t i = 0; i < layout.runs(); ++i) {
    for (uint64_t k = 0; k < layout.run(i).pages; ++k)
      model.index_at[layout.run(i).vaddr / kPageSize + k] = layout.first_of(i) + k;
  }
  return model;
}

void compare(Tests& tests, const Space& space, const Model& model) {
  tests.expect(space.missing() == model.missing());
  for (uint64_t at = 0; at < kDomain; ++at) {
    const auto found = model.index_at.find(at);
    const auto wanted = found == model.index_at.end()           ? Space::State::foreign
                        : model.there.count(found->second) != 0 ? Space::State::present
                                                                : Space::State::missing;
    tests.expect(space.state_at(at * kPageSize) == wanted);
    if (wanted != Space::State::missing) continue;
    const Range range = space.missing_at(at * kPageSize, 8);
    tests.expect(range.first == found->second && range.pages >= 1 && range.pages <= 8);
    const auto by_page = space.missing_of(found->second, 1);
    tests.expect(by_page && by_page->at == at * kPageSize && by_page->pages == 1);
  }
}

// Fills as the background does: from the lowest address on.
void fill_some(Tests& tests, Space& space, Model& model, std::mt19937& random) {
  uint64_t address = random() % kDomain * kPageSize;
  for (uint64_t n = random() % 6; n > 0; --n) {
    const uint64_t aligned = 1 + random() % 40;
    const auto range = space.next_part(address, aligned);
    if (!range) return;
    tests.expect(range->at >= address && space.state_at(range->at) == Space::State::missing);
    const uint64_t page = range->at / kPageSize;
    tests.expect(range->pages >= 1 && page / aligned == (page + range->pages - 1) / aligned);
    for (uint64_t i = 0; i < range->pages; ++i) model.there.insert(range->first + i);
    (void)space.mark(range->first, range->pages);
    address = range->end();
  }
}

struct Moves {
  uint64_t from;
  uint64_t to;
  uint64_t pages;
  uint64_t then;  // where something else comes from, into what has been left
};

// In the order in which the kernel tells: what was there is unmapped; moved; what was left is unmapped. Another thread's move comes in between.
uint64_t move_both(Space& space, Model& model, const Moves& moves) {
  const auto [from, to, pages, then] = moves;
  const uint64_t bytes = pages * kPageSize;
  uint64_t lost = space.unmapped(to * kPageSize, to * kPageSize + bytes);
  space.moved(from * kPageSize, to * kPageSize, bytes);
  model.move(from, to, pages);
  const bool overlapping = then < from + pages && from < then + pages;
  if (!overlapping) {
    space.moved(then * kPageSize, from * kPageSize, bytes);
    model.move(then, from, pages);
  }
  lost += space.unmapped(from * kPageSize, from * kPageSize + bytes);
  if (!overlapping) lost += space.unmapped(then * kPageSize, then * kPageSize + bytes);
  return lost;
}

void walk(Tests& tests, unsigned seed) {
  std::mt19937 random(seed);
  const auto layout = random_layout(random);
  const auto tree = std::make_shared<const Tree>();
  auto space = std::make_unique<Space>(UniqueFd(), layout, 1, tree);
  Model model = model_of(*layout);
  for (int step = 0; step < 40; ++step) {
    const uint64_t from = random() % kDomain;
    const uint64_t pages = 1 + random() % 60;
    const uint64_t to = random() % (kDomain - 60);
    const uint64_t before = model.missing();
    const bool overlapping = from < to + pages && to < from + pages;
    uint64_t lost = 0;
    switch (random() % 5) {
      case 0:
        lost = space->removed(from * kPageSize, (from + pages) * kPageSize);
        model.drop(from, from + pages);
        tests.expect(before - model.missing() == lost);
        break;
      case 1:
        if (overlapping) break;  // mremap refuses it
        lost = move_both(*space, model, {from, to, pages, random() % (kDomain - 60)});
        tests.expect(before - model.missing() == lost);
        break;
      case 2:
        space = std::make_unique<Space>(UniqueFd(), *space);
        tests.expect(space->forked());
        break;
      default:
        fill_some(tests, *space, model, random);
    }
    compare(tests, *space, model);
  }
}

}  // namespace
}  // namespace frazil::lazy

namespace frazil {

void test_lazy_space(Tests& tests) {
  tests.run("a space agrees with a model through drops, moves, forks and fills", [&] {
    for (unsigned seed = 0; seed < 30; ++seed) lazy::walk(tests, seed);
  });
  tests.run("a layout finds the page of an address, and the address of a page", [&] {
    std::mt19937 random(5);
    const auto layout = lazy::random_layout(random);
    for (size_t i = 0; i < layout->runs(); ++i) {
      const auto stretch = layout->stretch_at(layout->run(i).vaddr);
      tests.expect(stretch && stretch->first == layout->first_of(i) && stretch->pages == layout->run(i).pages);
      tests.expect(layout->vaddr_of(layout->first_of(i) + layout->run(i).pages - 1) + page::kPageSize ==
                   layout->run(i).end());
    }
    tests.expect(!layout->stretch_at(lazy::kDomain * page::kPageSize));
  });
}

}  // namespace frazil
