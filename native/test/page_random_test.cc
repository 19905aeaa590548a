// Property: whatever a client says, in whatever way, the files are what a model says that knows neither pipes nor threads.

#include <map>

#include "page/zero_scan.h"
#include "test/page_client.h"
#include "test/tests.h"

namespace frazil::page {
namespace {

struct ModelImage {
  uint64_t dst_id;
  std::vector<PagemapEntry> runs;
  Bytes payload;
};

struct Model {
  HeaderForm form;
  Way way;
  StoreKind store;
  uint64_t prepared;
  std::vector<ModelImage> images;
};

// Random, zero, or both in turn, page by page or in stretches.
Bytes contents(std::mt19937& random, size_t pages) {
  Bytes bytes = random_pages(random, pages);
  const unsigned density = random() % 4;
  const size_t longest = random() % 2 == 0 ? 1 : 40;
  for (size_t page = 0; page < pages;) {
    const size_t stretch = std::min(1 + random() % longest, pages - page);
    if (random() % 4 < density) {
      std::fill_n(bytes.begin() + static_cast<long>(page * kPageSize), stretch * kPageSize, std::byte{0});
    }
    page += stretch;
  }
  return bytes;
}

// All zero pages; for a directory those that follow each other, long enough for a hole.
uint64_t zeros_in(const Bytes& payload, StoreKind store) {
  const size_t least = store == StoreKind::memory ? 1 : kMinHolePages;
  uint64_t zeros = 0;
  for (size_t at = 0; at < payload.size();) {
    const ZeroRun run = first_run(std::span(payload).subspan(at));
    if (run.zero && run.pages >= least) zeros += run.pages;
    at += run.pages * kPageSize;
  }
  return zeros;
}

ModelImage random_image(std::mt19937& random, uint64_t number) {
  ModelImage image{random() % 4 == 0 ? shmem_id(number) : task_id(number), {}, {}};
  uint64_t at = random() % 1000;
  for (size_t i = random() % 30; i > 0; --i) {
    if (random() % 3 == 0) at += random() % 500;
    const size_t pages = 1 + random() % (random() % 8 == 0 ? 600 : 12);
    const uint32_t flags = random() % 6 == 0 ? kLazy : random() % 4 == 0 ? kPresent | kLazy : kPresent;
    image.runs.push_back({at * kPageSize, pages, flags});
    at += pages;
    if ((flags & kPresent) == 0) continue;
    const Bytes more = contents(random, pages);
    image.payload.insert(image.payload.end(), more.begin(), more.end());
  }
  return image;
}

Model random_model(std::mt19937& random) {
  constexpr Way kWays[] = {Way::splice, Way::write, Way::odd_writes, Way::slow};
  Model model{random() % 2 == 0 ? HeaderForm::narrow : HeaderForm::wide,
              kWays[random() % 4],
              random() % 2 == 0 ? StoreKind::directory : StoreKind::memory,
              random() % 3 * (1 << 22),
              {}};
  for (uint64_t i = 1 + random() % 5; i > 0; --i) model.images.push_back(random_image(random, i));
  return model;
}

bool say(FakeCriu& client, const Model& model) {
  for (const ModelImage& image : model.images) {
    if (!client.open2(image.dst_id)) return false;
    std::span<const std::byte> rest(image.payload);
    for (const PagemapEntry& run : image.runs) {
      if (!client.run(run.flags, run.vaddr, run.pages)) return false;
      if ((run.flags & kPresent) == 0) continue;
      if (!client.payload(rest.first(run.pages * kPageSize))) return false;
      rest = rest.subspan(run.pages * kPageSize);
    }
  }
  return client.close() == 0;
}

// Page by page, so that merging is no part of the comparison.
std::map<uint64_t, uint32_t> flags_by_page(const std::vector<PagemapEntry>& runs) {
  std::map<uint64_t, uint32_t> flags;
  for (const PagemapEntry& run : runs) {
    for (uint64_t at = run.vaddr; at < run.end(); at += kPageSize) flags[at] = run.flags;
  }
  return flags;
}

void expect_files(Tests& tests, int directory, const Model& model) {
  for (size_t i = 0; i < model.images.size(); ++i) {
    const ModelImage& image = model.images[i];
    ImageId id{};
    tests.expect(decode_id(image.dst_id, &id));
    const auto map = read_pagemap(directory, pagemap_name(id));
    tests.expect(map.ok() && map.value().pages_id == i + 1);
    tests.expect(map.ok() && flags_by_page(map.value().entries) == flags_by_page(image.runs));
    for (size_t e = 1; map.ok() && e < map.value().entries.size(); ++e) {
      const auto& [before, after] = std::pair{map.value().entries[e - 1], map.value().entries[e]};
      tests.expect(before.end() < after.vaddr || before.flags != after.flags);
    }
    tests.expect(read_file(directory, pages_name(static_cast<uint32_t>(i + 1))) == image.payload);
  }
}

}  // namespace

void test_random_conversations(Tests& tests) {
  tests.run("40 random conversations leave what the model says", [&] {
    std::mt19937 random(11);
    for (int i = 0; i < 40; ++i) {
      const Model model = random_model(random);
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      Dump dump(directory.get(), model.store);
      tests.expect(dump.sink->prepare(model.prepared, dump.cancel).ok());
      bool said = false;
      const auto failure = dump.serve(model.form, model.way, [&](FakeCriu& client) { said = say(client, model); });
      tests.expect(said && !failure && dump.settle());
      uint64_t zeros = 0;
      for (const ModelImage& image : model.images) zeros += zeros_in(image.payload, model.store);
      tests.expect(dump.counters->zero_pages == zeros);
      expect_files(tests, directory.get(), model);
    }
  });
}

}  // namespace frazil::page

void frazil::test_page_random(Tests& tests) { page::test_random_conversations(tests); }
