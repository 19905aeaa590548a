// Chains seen as one: what a hole stands on, what is wrong and where, and the one directory that a chain becomes.

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "page/chain_check.h"
#include "page/chain_stage.h"
#include "page/directory_source.h"
#include "page/image_file.h"
#include "page/levels.h"
#include "page/overlay.h"
#include "page/squash.h"
#include "sys/full_io.h"
#include "test/chain_model.h"
#include "test/tests.h"

namespace frazil::page {
namespace {

const std::string kName = "pagemap-1.img";

// By hand over the model.
void patch(std::map<uint64_t, Bytes>& memory, uint64_t vaddr, const std::string& bytes) {
  for (size_t i = 0; i < bytes.size(); ++i)
    memory.at((vaddr + i) / kPageSize)[(vaddr + i) % kPageSize] = static_cast<std::byte>(bytes[i]);
}

Cancel never() { return Cancel::open().value(); }

// Everything that is stored, by page.
std::map<uint64_t, Bytes> memory_of(Tests& tests, const std::vector<UniqueFd>& levels,
                                    const std::string& name = kName) {
  std::vector<ImageFault> faults;
  const auto image = StoredImage::open(levels, name, 10, &faults);
  tests.expect(image && faults.empty());
  std::map<uint64_t, Bytes> memory;
  if (!image) return memory;
  for (const StoredRun& run : image->runs()) {
    for (uint64_t i = 0; run.stored() && i < run.pages; ++i) {
      Bytes& page = memory[run.vaddr / kPageSize + i];
      page.resize(kPageSize);
      tests.expect(!image->read(run, i * kPageSize, page.data(), page.size()));
    }
  }
  return memory;
}

void test_resolution(Tests& tests) {
  tests.run("random chains: every page is read from where it lies, and squash() and dedup() keep them all", [&] {
    std::mt19937 random(21);
    for (int i = 0; i < 60; ++i) {
      const TempDir temp;
      const RandomChain made = random_chain(temp, random);
      tests.expect(memory_of(tests, made.chain.levels()) == made.memory);
      ChainCounters counters;
      tests.expect(verify_chain(made.chain.levels(), {kName}, 10, counters, never()).empty());
      tests.expect(counters.pages == made.memory.size() && counters.parent_pages == made.parent_pages);

      const UniqueFd to = temp.folder("squashed");
      SquashCounters squashed;
      tests.expect(!squash_images(made.chain.levels(), {kName}, to.get(), squashed, never()));
      tests.expect(squashed.pages == made.memory.size() && squashed.parent_pages == made.parent_pages);
      std::vector<UniqueFd> alone;
      alone.push_back(duplicate(to.get()));
      tests.expect(memory_of(tests, alone) == made.memory);
      for (const PagemapEntry& entry : read_pagemap(to.get(), kName).value().entries)
        tests.expect((entry.flags & kParent) == 0);

      ChainCounters freed;
      tests.expect(!dedup_chain(made.chain.levels(), {kName}, freed, never()));
      tests.expect(memory_of(tests, made.chain.levels()) == made.memory);
    }
  });
}

// Two levels: pages 10..19 below; above, 12 stored and 10, 11, 13 left to it.
ModelChain two_levels(const TempDir& temp, ModelLevel below, ModelLevel above) {
  std::mt19937 random(3);
  for (uint64_t page = 10; page < 20; ++page) below.stored.try_emplace(page, random_pages(random, 1));
  above.stored[12] = random_pages(random, 1);
  for (const uint64_t page : {10, 11, 13}) above.others[page] = kParent;
  ModelChain chain(temp);
  chain.add(below);
  chain.add(above);
  return chain;
}

std::vector<ImageFault> faults_of(const ModelChain& chain, size_t limit = 10) {
  ChainCounters counters;
  return verify_chain(chain.levels(), {kName}, limit, counters, never());
}

void test_holes(Tests& tests) {
  tests.run("verify_chain() names each hole that nobody fills, with its address and length", [&] {
    const TempDir temp;
    ModelLevel above;
    for (const uint64_t page : {5, 6, 20, 21, 40}) above.others[page] = kParent;
    const auto faults = faults_of(two_levels(temp, {}, above));
    tests.expect(faults.size() == 3);
    const std::pair<uint64_t, uint64_t> wanted[] = {{5, 2}, {20, 2}, {40, 1}};
    for (size_t i = 0; i < faults.size() && i < 3; ++i) {
      tests.expect(faults[i].flaw == Flaw::hole_unfilled && faults[i].name == kName && faults[i].level == 0);
      tests.expect(faults[i].vaddr == wanted[i].first * kPageSize && faults[i].pages == wanted[i].second);
    }
    tests.expect(faults_of(two_levels(TempDir(), {}, above), 2).size() == 2);
  });
  tests.run("verify_chain() finds holes over what the parent has no bytes for", [&] {
    const TempDir temp;
    ModelLevel below;
    below.others[30] = kLazy;
    ModelLevel above;
    above.others[30] = kParent;
    const auto faults = faults_of(two_levels(temp, below, above));
    tests.expect(faults.size() == 1 && faults[0].vaddr == 30 * kPageSize);
  });
  tests.run("a hole of a parent is no fault when the child has pages of its own there", [&] {
    const TempDir temp;
    ModelLevel below;
    below.others[50] = kParent;
    ModelLevel above;
    above.stored[50] = zero_pages(1);
    tests.expect(faults_of(two_levels(temp, below, above)).empty());
  });
  tests.run("a task that the parent has not: the level below that one is another task's", [&] {
    const TempDir temp;
    ModelChain chain(temp);
    ModelLevel level;
    level.stored[1] = zero_pages(1);
    chain.add(level);
    chain.add(level, {ImageId::Kind::task, 2});
    ModelLevel hole;
    hole.others[1] = kParent;
    chain.add(hole);
    const auto faults = faults_of(chain);
    tests.expect(faults.size() == 1 && faults[0].flaw == Flaw::hole_unfilled);
  });
}

void test_files(Tests& tests) {
  tests.run("verify_chain() names the level and the file that is missing, short or no pagemap", [&] {
    struct Case {
      const char* file;
      off_t size;  // -1: removed
      Flaw flaw;
    };
    const Case cases[] = {{"pages-1.img", -1, Flaw::pages_missing},
                          {"pages-1.img", 9 * kPageSize, Flaw::pages_short},
                          {"pagemap-1.img", 3, Flaw::not_a_pagemap},
                          {"pagemap-1.img", 20, Flaw::truncated}};
    for (const auto& [file, size, flaw] : cases) {
      const TempDir temp;
      const ModelChain chain = two_levels(temp, {}, {});
      const UniqueFd parent = chain.level(1);
      if (size == -1) {
        tests.expect(::unlinkat(parent.get(), file, 0) == 0);
      } else {
        tests.expect(::ftruncate(reopen_image_file(parent.get(), file).value().get(), size) == 0);
      }
      const auto faults = faults_of(chain);
      tests.expect(faults.size() == 1 && faults[0].flaw == flaw && faults[0].level == 1 && faults[0].name == file);
      if (flaw == Flaw::pages_short)
        tests.expect(faults[0].wanted == 10 * kPageSize && faults[0].found == 9 * kPageSize);
      ChainCounters counters;
      tests.expect(dedup_chain(chain.levels(), {kName}, counters, never()).has_value());
    }
  });
  tests.run("open_levels() says at which level the link is wrong", [&] {
    const TempDir temp;
    const ModelChain chain = two_levels(temp, {}, {});
    tests.expect(::symlinkat("../gone", chain.level(1).get(), "parent") == 0);
    std::vector<UniqueFd> levels;
    const auto fault = open_levels(chain.top(), &levels);
    tests.expect(fault && fault->level == 1 && fault->name == "parent" && fault->error.number == ENOENT);
  });
}

void test_squash(Tests& tests) {
  tests.run("squash() keeps what is sparse sparse, and gives each image a pages file of its own", [&] {
    const TempDir temp;
    std::mt19937 random(5);
    ModelLevel level;
    for (uint64_t page = 0; page < 600; ++page) level.stored[page] = zero_pages(1);
    level.stored[300] = random_pages(random, 1);
    ModelChain chain(temp);
    chain.add(level);
    const UniqueFd top = chain.top();
    const UniqueFd pages = reopen_image_file(top.get(), "pages-1.img").value();
    tests.expect(::fallocate(pages.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 300 * kPageSize) == 0);
    tests.expect(
        ::fallocate(pages.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 301 * kPageSize, 299 * kPageSize) == 0);
    ModelLevel shared;
    shared.stored[0] = random_pages(random, 1);
    chain.add_image(shared, {ImageId::Kind::shmem, 7}, 9);
    const UniqueFd to = temp.folder("squashed");
    SquashCounters counters;
    const std::vector<std::string> names = {kName, "pagemap-shmem-7.img"};
    tests.expect(!squash_images(chain.levels(), names, to.get(), counters, never()));
    tests.expect(counters.bytes_copied == 2 * kPageSize && counters.bytes_total == 601 * kPageSize);
    tests.expect(allocated(to.get(), "pages-1.img") == kPageSize);
    tests.expect(read_file(to.get(), "pages-1.img") == read_file(top.get(), "pages-1.img"));
    tests.expect(read_pagemap(to.get(), names[1]).value().pages_id == 2);
    tests.expect(read_file(to.get(), "pages-2.img") == shared.stored[0]);
  });
  tests.run("squash() names the file when the disk is full, and hears a cancel", [&] {
    const TempDir temp;
    const ModelChain chain = two_levels(temp, {}, {});
    SquashCounters counters;
    Cancel cancel = Cancel::open().value();
    cancel.signal();
    const UniqueFd to = temp.folder("squashed");
    const auto stopped = squash_images(chain.levels(), {kName}, to.get(), counters, cancel);
    tests.expect(stopped && stopped->error.number == ECANCELED);
    const UniqueFd full = open_limited_tmpfs(2 * kPageSize);
    if (!full) return tests.skip("squash() onto a full disk", "needs CAP_SYS_ADMIN to mount a small tmpfs");
    const auto fault = squash_images(chain.levels(), {kName}, full.get(), counters, never());
    tests.expect(fault && fault->error.number == ENOSPC && fault->name == "pages-1.img");
  });
}

void test_overlay(Tests& tests) {
  tests.run("random chains: overlay_images() changes the bytes that it is told to, and no other", [&] {
    std::mt19937 random(31);
    for (int i = 0; i < 40; ++i) {
      const TempDir temp;
      RandomChain made = random_chain(temp, random);
      // Stretches of two pages that are both stored, each patched over their border.
      OverlayImage image{kName, {}};
      uint64_t next = 0;
      for (const auto& [page, bytes] : made.memory) {
        if (page < next || !made.memory.contains(page + 1) || random() % 4 != 0) continue;
        const std::string fresh(1 + random() % 300, static_cast<char>(random()));
        image.patches.push_back({page * kPageSize + kPageSize - 1 - random() % 200, fresh});
        next = page + 2;
      }
      const UniqueFd to = temp.folder("over");
      tests.expect(::symlinkat(("../l" + std::to_string(made.chain.depth() - 1)).c_str(), to.get(), "parent") == 0);
      tests.expect(!overlay_images(made.chain.levels(), {image}, to.get()));
      for (const Patch& one : image.patches) patch(made.memory, one.vaddr, one.bytes);
      tests.expect(memory_of(tests, open_levels(duplicate(to.get())).value()) == made.memory);
      tests.expect(read_file(to.get(), "pages-1.img").size() <= image.patches.size() * 2 * kPageSize);
    }
  });
  tests.run("overlay_images() names the address of a patch outside what is stored", [&] {
    const TempDir temp;
    const ModelChain chain = two_levels(temp, {}, {});
    const UniqueFd to = temp.folder("over");
    const auto fault = overlay_images(chain.levels(), {{kName, {{14 * kPageSize - 1, "ab"}}}}, to.get());
    tests.expect(fault && fault->error.number == EFAULT && fault->vaddr == 14 * kPageSize && fault->name == kName);
  });
}

// What a source delivers, by page.
class Kept final : public Taker {
 public:
  Result<void> take(const Arrival& arrival) noexcept override {
    for (uint64_t i = 0; i < arrival.pages; ++i) {
      Bytes& page = pages_[arrival.vaddr / kPageSize + i];
      page.assign(kPageSize, std::byte{});
      if (arrival.bytes != nullptr) std::memcpy(page.data(), arrival.bytes + i * kPageSize, kPageSize);
    }
    return {};
  }
  void lose(const SourceFailure&) noexcept override {}
  std::map<uint64_t, Bytes>& pages() noexcept { return pages_; }

 private:
  std::map<uint64_t, Bytes> pages_;
};

// Some ranges of whole pages, ascending.
std::vector<AddressRange> random_ranges(std::mt19937& random) {
  std::vector<AddressRange> ranges;
  for (uint64_t page = random() % 8; page < 200; page += 1 + random() % 24) {
    const uint64_t pages = 1 + random() % 16;
    ranges.push_back({page * kPageSize, (page + pages) * kPageSize});
    page += pages;
  }
  return ranges;
}

void test_stage(Tests& tests) {
  tests.run("random chains: what is lazy comes from the chain, the rest from the level that stage_chain() makes", [&] {
    std::mt19937 random(41);
    const ImageId id{ImageId::Kind::task, 1};
    for (int i = 0; i < 60; ++i) {
      const TempDir temp;
      const RandomChain made = random_chain(temp, random);
      const auto lazy = random_ranges(random);
      const UniqueFd to = temp.folder("staged");
      tests.expect(!stage_chain(made.chain.levels(), {{kName, lazy}}, to.get()));
      DirectorySource source(duplicate(to.get()), nullptr, made.chain.top());
      const auto runs = source.lazy_runs(id);
      tests.expect(runs.ok());
      Kept kept;
      for (const PagemapEntry& run : runs.value())
        tests.expect(!source.fetch({id, run.vaddr, run.pages, Urgency::background}, kept));
      for (const auto& [page, bytes] : kept.pages()) {
        const uint64_t at = page * kPageSize;
        const auto holds = [&](const AddressRange& one) { return one.from <= at && at < one.to; };
        tests.expect(std::any_of(lazy.begin(), lazy.end(), holds));
      }
      std::vector<UniqueFd> alone;
      alone.push_back(duplicate(to.get()));
      for (auto& [page, bytes] : memory_of(tests, alone)) kept.pages().try_emplace(page, bytes);
      tests.expect(kept.pages() == made.memory);
    }
  });
}

}  // namespace
}  // namespace frazil::page

void frazil::test_image_chain(Tests& tests) {
  page::test_resolution(tests);
  page::test_holes(tests);
  page::test_files(tests);
  page::test_squash(tests);
  page::test_overlay(tests);
  page::test_stage(tests);
}
