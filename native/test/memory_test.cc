// What looks into pages: the search for bytes, the comparison of two checkpoints, and the pagemap as JSON.

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "page/image_file.h"
#include "page/memory_search.h"
#include "page/page_diff.h"
#include "page/pagemap_json.h"
#include "sys/full_io.h"
#include "sys/memfd.h"
#include "sys/pipe.h"
#include "test/chain_model.h"
#include "test/tests.h"

namespace frazil::page {
namespace {

const std::string kName = "pagemap-1.img";

std::span<const uint8_t> as_text(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

void test_pattern(Tests& tests) {
  tests.run("BytePattern::find() finds what string_view finds, for any lengths and places", [&] {
    std::mt19937 random(11);
    for (int i = 0; i < 4000; ++i) {
      std::string text(random() % 400, '\0');
      for (char& c : text) c = static_cast<char>(random() % 3);
      std::string wanted(1 + random() % (random() % 4 == 0 ? 100 : 6), '\0');
      for (char& c : wanted) c = static_cast<char>(random() % 3);
      const BytePattern pattern(wanted);
      size_t at = 0;
      for (size_t from = 0;; from = at + 1) {
        const size_t expected = std::min(std::string_view(text).find(wanted, from), text.size());
        at = pattern.find(as_text(text), from);
        tests.expect(at == expected);
        if (at >= text.size()) break;
      }
    }
  });
}

struct Found {
  uint32_t image, pattern;
  uint64_t vaddr;
  bool operator==(const Found&) const = default;
};

std::vector<Found> search(Tests& tests, const ModelChain& chain, const std::vector<std::string>& names,
                          const std::vector<std::string>& wanted, SearchOptions options) {
  std::vector<BytePattern> patterns;
  for (const std::string& one : wanted) patterns.emplace_back(one);
  SearchCounters counters;
  const Cancel cancel = Cancel::open().value();
  const auto outcome = search_memory(chain.levels(), names, patterns, options, counters, cancel);
  tests.expect(!outcome.fault && outcome.truncated == (outcome.matches.size() == options.limit));
  if (!outcome.truncated) tests.expect(counters.bytes == counters.total);
  std::vector<Found> found;
  for (const Match& match : outcome.matches) found.push_back({match.image, match.pattern, match.vaddr});
  return found;
}

// By hand: stretches of pages that follow each other, searched one by one.
std::vector<Found> by_hand(const std::map<uint64_t, Bytes>& memory, const std::vector<std::string>& wanted) {
  std::vector<Found> found;
  std::string text;
  uint64_t begin = 0;
  const auto look = [&] {
    for (uint32_t i = 0; i < wanted.size(); ++i) {
      for (size_t at = text.find(wanted[i]); at != std::string::npos; at = text.find(wanted[i], at + 1))
        found.push_back({0, i, begin + at});
    }
    text.clear();
  };
  for (const auto& [page, bytes] : memory) {
    if (text.empty() || begin + text.size() != page * kPageSize) {
      look();
      begin = page * kPageSize;
    }
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  look();
  std::sort(found.begin(), found.end(),
            [](const Found& a, const Found& b) { return std::tie(a.vaddr, a.pattern) < std::tie(b.vaddr, b.pattern); });
  return found;
}

void test_search(Tests& tests) {
  tests.run("random chains: search_memory() finds what a search by hand finds, with any number of threads", [&] {
    std::mt19937 random(12);
    for (int i = 0; i < 30; ++i) {
      const TempDir temp;
      const RandomChain made = random_chain(temp, random);
      std::vector<std::string> wanted;
      for (int n = 0; n < 3; ++n) {
        std::string one(4 + random() % 5, '\0');
        for (char& c : one) c = static_cast<char>(random() % 3);
        wanted.push_back(one);
      }
      const auto expected = by_hand(made.memory, wanted);
      const unsigned threads = 1 + static_cast<unsigned>(random() % 3);
      tests.expect(search(tests, made.chain, {kName}, wanted, {10'000'000, 0, threads}) == expected);
      const uint64_t limit = 1 + random() % 50;
      auto first = expected;
      if (first.size() > limit) first.resize(limit);
      if (first.size() != limit) continue;
      if (expected.size() > limit)
        tests.expect(search(tests, made.chain, {kName}, wanted, {limit, 0, threads}) == first);
    }
  });
  tests.run("search_memory() finds what lies over the borders of pages, levels and pieces, and not over gaps", [&] {
    const TempDir temp;
    std::mt19937 random(13);
    const std::string secret = "the needle that lies across";
    const auto put = [&](std::map<uint64_t, Bytes>& pages, uint64_t vaddr) {
      for (size_t i = 0; i < secret.size(); ++i) {
        const auto page = pages.find((vaddr + i) / kPageSize);
        if (page != pages.end()) page->second[(vaddr + i) % kPageSize] = static_cast<std::byte>(secret[i]);
      }
    };
    std::map<uint64_t, Bytes> memory;
    for (uint64_t page = 100; page < 400; ++page) memory[page] = Bytes(kPageSize, std::byte{1});
    for (uint64_t page = 401; page < 410; ++page) memory[page] = Bytes(kPageSize, std::byte{1});
    const uint64_t places[] = {100 * kPageSize, 120 * kPageSize - 5, (100 + 64) * kPageSize - 1,
                               410 * kPageSize - secret.size()};
    for (const uint64_t at : places) put(memory, at);
    put(memory, 400 * kPageSize - 4);  // runs into a gap
    ModelLevel below;
    ModelLevel above;
    for (const auto& [page, bytes] : memory) {
      if (page % 2 == 0) {
        above.stored[page] = bytes;
      } else {
        below.stored[page] = bytes;
        above.others[page] = kParent;
      }
    }
    ModelChain chain(temp);
    chain.add(below);
    chain.add(above);
    const std::vector<BytePattern> patterns = {BytePattern(secret)};
    SearchCounters counters;
    const auto outcome =
        search_memory(chain.levels(), {kName}, patterns, {100, 8, 2}, counters, Cancel::open().value());
    tests.expect(!outcome.fault && outcome.matches.size() == 4);
    for (size_t i = 0; i < outcome.matches.size() && i < 4; ++i) {
      tests.expect(outcome.matches[i].vaddr == places[i]);
      tests.expect(outcome.matches[i].before == std::string(i == 0 ? 0 : 8, '\1'));
      tests.expect(outcome.matches[i].after == std::string(i == 3 ? 0 : 8, '\1'));
    }
  });
  tests.run("search_memory() names the file and the address where it has become shorter, and hears a cancel", [&] {
    const TempDir temp;
    const RandomChain made = [&] {
      std::mt19937 random(14);
      return random_chain(temp, random);
    }();
    Cancel cancel = Cancel::open().value();
    cancel.signal();
    SearchCounters counters;
    const auto stopped = search_memory(made.chain.levels(), {kName}, {BytePattern("x")}, {1, 0, 2}, counters, cancel);
    tests.expect(stopped.fault && stopped.fault->error.number == ECANCELED);
    const UniqueFd top = made.chain.top();
    tests.expect(::ftruncate(reopen_image_file(top.get(), "pages-1.img").value().get(), 10) == 0);
    const auto cut =
        search_memory(made.chain.levels(), {kName}, {BytePattern("x")}, {1, 0, 2}, counters, Cancel::open().value());
    tests.expect(cut.fault && cut.fault->flaw == Flaw::pages_short && cut.fault->name == "pages-1.img");
  });
}

Change change_of(const Bytes* old, const Bytes* now) {
  if (now == nullptr) return Change::only_first;
  if (old == nullptr) return Change::only_second;
  const bool zero = *now == Bytes(kPageSize);
  if (*old == *now) return zero ? Change::zero : Change::same;
  return zero ? Change::cleared : Change::changed;
}

void expect_diff(Tests& tests, const RandomChain& first, const RandomChain& second) {
  std::vector<ImageFault> faults;
  const auto a = StoredImage::open(first.chain.levels(), kName, 1, &faults);
  const auto b = StoredImage::open(second.chain.levels(), kName, 1, &faults);
  DiffCounters counters;
  ImageDiff diff;
  tests.expect(!diff_images(&*a, &*b, counters, Cancel::open().value(), &diff));
  std::map<uint64_t, Change> found;
  for (const DiffRun& run : diff.runs) {
    for (uint64_t i = 0; i < run.pages; ++i) found[run.vaddr / kPageSize + i] = run.change;
  }
  std::map<uint64_t, Change> wanted;
  const auto page_of = [](const std::map<uint64_t, Bytes>& memory, uint64_t page) {
    const auto at = memory.find(page);
    return at == memory.end() ? nullptr : &at->second;
  };
  for (const auto* memory : {&first.memory, &second.memory}) {
    for (const auto& [page, bytes] : *memory)
      wanted[page] = change_of(page_of(first.memory, page), page_of(second.memory, page));
  }
  tests.expect(found == wanted);
}

void test_diff(Tests& tests) {
  tests.run("random chains: diff_images() says of every page what a comparison by hand says", [&] {
    std::mt19937 random(15);
    for (int i = 0; i < 40; ++i) {
      const TempDir temp;
      expect_diff(tests, random_chain(temp, random, "a"), random_chain(temp, random, "b"));
    }
  });
  tests.run("diff_images() of a child and its parent reads nothing of what they share", [&] {
    const TempDir temp;
    std::mt19937 random(16);
    ModelLevel below;
    for (uint64_t page = 0; page < 64; ++page) below.stored[page] = random_pages(random, 1);
    ModelLevel above;
    for (uint64_t page = 0; page < 63; ++page) above.others[page] = kParent;
    above.stored[63] = random_pages(random, 1);
    ModelChain chain(temp);
    chain.add(below);
    chain.add(above);
    auto levels = chain.levels();
    std::vector<ImageFault> faults;
    const auto child = StoredImage::open(levels, kName, 1, &faults);
    levels.erase(levels.begin());
    const auto parent = StoredImage::open(levels, kName, 1, &faults);
    DiffCounters counters;
    ImageDiff diff;
    tests.expect(!diff_images(&*parent, &*child, counters, Cancel::open().value(), &diff));
    tests.expect(diff.runs.size() == 2 && diff.runs[1].change == Change::changed);
    tests.expect(counters.bytes_read == 2 * kPageSize && counters.pages == 64);
    ImageDiff alone;
    tests.expect(!diff_images(nullptr, &*child, counters, Cancel::open().value(), &alone));
    tests.expect(alone.runs.size() == 1 && alone.runs[0].change == Change::only_second && alone.runs[0].pages == 64);
  });
}

std::string print(Tests& tests, const std::string& image, JsonForm form, std::optional<Flaw> flaw = {}) {
  const UniqueFd in = open_memfd("image").value();
  const UniqueFd out = open_memfd("text").value();
  tests.expect(pwrite_full(in.get(), image.data(), image.size(), 0).ok());
  uint64_t written = 0;
  const auto fault = print_pagemap(in.get(), out.get(), form, Cancel::open().value(), &written);
  tests.expect(fault.has_value() == flaw.has_value() && (!flaw || fault->flaw == *flaw));
  std::string text(1 << 16, '\0');
  text.resize(pread_full(out.get(), text.data(), text.size(), 0).value());
  tests.expect(text.size() == written && (!flaw || written == 0));
  return text;
}

void test_json(Tests& tests) {
  const std::string magic("\x19\x43\x56\x54\x25\x40\x08\x56", 8);
  const std::string head("\x02\0\0\0\x08\x07", 6);
  tests.run("print_pagemap() prints what crit prints", [&] {
    const std::string entry("\x0b\0\0\0\x08\x80\x20\x10\0\x18\x01\x20\x0d\x28\x02", 15);
    tests.expect(print(tests, magic + head + entry, JsonForm::plain) ==
                 "{\"magic\": \"PAGEMAP\", \"entries\": [{\"pages_id\": 7}, {\"vaddr\": 4096, \"compat_nr_pages\": 0, "
                 "\"in_parent\": true, \"flags\": 13, \"nr_pages\": 2}]}");
    tests.expect(
        print(tests, magic + head + entry, JsonForm::pretty) ==
        "{\n    \"magic\": \"PAGEMAP\",\n    \"entries\": [\n        {\n            \"pages_id\": 7\n        },\n"
        "        {\n            \"vaddr\": \"0x1000\",\n            \"compat_nr_pages\": 0,\n"
        "            \"in_parent\": true,\n            \"flags\": \"PE_PARENT | PE_PRESENT | 0x8\",\n"
        "            \"nr_pages\": 2\n        }\n    ]\n}");
  });
  tests.run("print_pagemap() says what is wrong with an image", [&] {
    const std::string compressed("\x05\0\0\0\x08\x80\x20\x30\x01", 9);  // field 6
    const std::string packed("\x06\0\0\0\x08\x80\x20\x32\x01\x09", 10);
    const std::string group("\x02\0\0\0\x0b\x0c", 6);
    (void)print(tests, "", JsonForm::plain, Flaw::not_a_pagemap);
    (void)print(tests, magic, JsonForm::plain, Flaw::truncated);
    (void)print(tests, magic + head + head.substr(0, 5), JsonForm::plain, Flaw::truncated);
    (void)print(tests, magic + head + group, JsonForm::plain, Flaw::malformed);
    (void)print(tests, magic + head + compressed, JsonForm::plain, Flaw::newer);
    (void)print(tests, magic + head + packed, JsonForm::plain, Flaw::newer);
    const UniqueFd in = open_memfd("image").value();
    const std::string image = magic + head + compressed;
    tests.expect(pwrite_full(in.get(), image.data(), image.size(), 0).ok());
    tests.expect(read_pagemap(in.get()).error().number == ENOTSUP);
  });
  tests.run("print_pagemap() into a pipe that nobody reads hears a cancel", [&] {
    std::string image = magic + head;
    for (int i = 0; i < 20000; ++i) image += head;
    const UniqueFd in = open_memfd("image").value();
    tests.expect(pwrite_full(in.get(), image.data(), image.size(), 0).ok());
    const Pipe pipe = open_pipe(0).value();
    Cancel cancel = Cancel::open().value();
    std::optional<ImageFault> fault;
    uint64_t written = 0;
    auto body = [&]() noexcept {
      fault = print_pagemap(in.get(), pipe.write.get(), JsonForm::plain, cancel, &written);
    };
    Thread thread = Thread::spawn("print", body).value();
    cancel.signal();
    thread.join();
    tests.expect(fault && fault->error.number == ECANCELED);
  });
}

}  // namespace
}  // namespace frazil::page

void frazil::test_memory(Tests& tests) {
  page::test_pattern(tests);
  page::test_search(tests);
  page::test_diff(tests);
  page::test_json(tests);
}
