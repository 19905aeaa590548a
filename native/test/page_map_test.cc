// Pagemap files and headers: what is written is read, and nothing that is read can hurt.

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "page/image_file.h"
#include "sys/full_io.h"
#include "sys/memfd.h"
#include "test/page_client.h"
#include "test/tests.h"

namespace frazil::page {
namespace {

const char* kName = "pagemap-1.img";

void put_raw(int directory, const std::string& bytes) {
  const UniqueFd file = create_image_file(directory, kName, O_WRONLY).value();
  (void)write_full(file.get(), bytes.data(), bytes.size()).ok();
}

std::string field(unsigned number, uint64_t value) {
  std::string out(1, static_cast<char>(number << 3));
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}

std::string message(const std::string& body) {
  const auto length = static_cast<uint32_t>(body.size());
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + body;
}

std::string pagemap_of(std::initializer_list<std::string> entries) {
  std::string out("\x19\x43\x56\x54\x25\x40\x08\x56", 8);
  out += message(field(1, 1));
  for (const auto& entry : entries) out += message(entry);
  return out;
}

Result<Pagemap> read_raw(const std::string& bytes) {
  const UniqueFd file = open_memfd("pagemap").value();
  (void)pwrite_full(file.get(), bytes.data(), bytes.size(), 0).ok();
  return read_pagemap(file.get());
}

// Ascending runs; some touch, some have the same flags.
std::vector<PagemapEntry> random_runs(std::mt19937& random, size_t count) {
  std::vector<PagemapEntry> runs;
  uint64_t at = random() % 100;
  for (size_t i = 0; i < count; ++i) {
    if (random() % 2 == 0) at += 1 + random() % 1000;
    const uint64_t pages = 1 + random() % (random() % 10 == 0 ? 0xffffffff : 20);
    constexpr uint32_t kFlags[] = {kPresent, kParent, kLazy, kPresent | kLazy};
    runs.push_back({at * kPageSize, pages, kFlags[random() % 4]});
    at += pages;
  }
  return runs;
}

// A model that is nothing but pages: what each page of the runs is.
std::vector<PagemapEntry> merged(const std::vector<PagemapEntry>& runs) {
  std::vector<PagemapEntry> out;
  for (const PagemapEntry& run : runs) {
    if (!out.empty() && out.back().end() == run.vaddr && out.back().flags == run.flags)
      out.back().pages += run.pages;
    else
      out.push_back(run);
  }
  return out;
}

bool same(const std::vector<PagemapEntry>& a, const std::vector<PagemapEntry>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.vaddr == y.vaddr && x.pages == y.pages && x.flags == y.flags;
  });
}

void test_round_trip(Tests& tests) {
  tests.run("random runs are read as they were written, merged, none longer than CRIU 4.1 can count", [&] {
    const TempDir temp;
    const UniqueFd directory = temp.folder("d");
    std::mt19937 random(9);
    for (int i = 0; i < 300; ++i) {
      const auto runs = random_runs(random, random() % 60);
      const auto id = static_cast<uint32_t>(random());
      PagemapWriter writer(id);
      for (const PagemapEntry& run : runs) tests.expect(writer.append(run));
      tests.expect(writer.write(directory.get(), {ImageId::Kind::task, 1}).ok());
      const auto map = read_pagemap(directory.get(), kName).value();
      tests.expect(map.pages_id == id && same(merged(map.entries), merged(runs)));
      tests.expect(
          std::all_of(map.entries.begin(), map.entries.end(), [](const auto& e) { return e.pages <= 0x7fffffff; }));
    }
  });
  tests.run("many entries, more than the buffers hold", [&] {
    const TempDir temp;
    const UniqueFd directory = temp.folder("d");
    PagemapWriter writer(1);
    for (uint64_t i = 0; i < 100'000; ++i) tests.expect(writer.append({i * 2 * kPageSize, 1, kPresent}));
    tests.expect(writer.write(directory.get(), {ImageId::Kind::task, 1}).ok());
    tests.expect(same(read_pagemap(directory.get(), kName).value().entries, writer.entries()));
  });
  tests.run("append() refuses a run that begins inside the last", [&] {
    PagemapWriter writer(1);
    tests.expect(writer.append({0x5000, 2, kPresent}) && !writer.append({0x6000, 1, kPresent}) &&
                 !writer.append({0, 1, kLazy}));
    tests.expect(writer.entries().size() == 1);
  });
}

void test_forms(Tests& tests) {
  struct Form {
    const char* title;
    std::string entry;
    PagemapEntry wanted;
  };
  const Form forms[] = {
      {"CRIU 4.1: a count of 32 bits", field(1, 0x1000) + field(2, 3) + field(4, 4), {0x1000, 3, kPresent}},
      {"CRIU 4.2: the old count is 0",
       field(1, 0x1000) + field(2, 0) + field(4, 1) + field(5, 1ULL << 40),
       {0x1000, 1ULL << 40, kParent}},
      {"before flags: present", field(1, 0) + field(2, 3), {0, 3, kPresent}},
      {"before flags: in the parent", field(1, 0) + field(2, 3) + field(3, 1), {0, 3, kParent}},
      {"flags of 0 are flags", field(1, 0) + field(2, 3) + field(4, 0), {0, 3, 0}},
  };
  for (const auto& [title, entry, wanted] : forms) {
    tests.run(title, [&] {
      const auto map = read_raw(pagemap_of({entry}));
      tests.expect(map.ok() && same(map.value().entries, {wanted}));
    });
  }
  tests.run("a field from the future, which may change what the others mean", [&] {
    for (const char* key : {"\x30\x07", "\x32\x01x", "\x39xxxxxxxx"}) {
      const auto map = read_raw(pagemap_of({field(1, 0) + field(2, 3) + key}));
      tests.expect(!map.ok() && map.error().number == ENOTSUP);
    }
  });
  const Form refused[] = {
      {"no address", field(2, 3), {}},
      {"no count", field(1, 0x1000), {}},
      {"nothing at all, as in a hole of a sparse file", "", {}},
      {"an address inside a page", field(1, 0x1001) + field(2, 1), {}},
      {"an address beyond any", field(1, ~uint64_t{0xfff}) + field(2, 1), {}},
      {"a run beyond any", field(1, 0) + field(5, ~uint64_t{0}), {}},
      {"a string", std::string("\x0a\x01x", 3), {}},
      {"a varint without an end", std::string(12, '\xff'), {}},
  };
  for (const auto& [title, entry, _] : refused) {
    tests.run((std::string("refused: ") + title).c_str(), [&] {
      const auto map = read_raw(pagemap_of({entry}));
      tests.expect(!map.ok() && map.error().number == EBADMSG);
    });
  }
  tests.run("refused: overlapping entries, and a length beyond any entry", [&] {
    tests.expect(!read_raw(pagemap_of({field(1, 0) + field(2, 3), field(1, 0x2000) + field(2, 3)})).ok());
    tests.expect(!read_raw(pagemap_of({std::string(65, '\0')})).ok());
  });
}

void test_sparse(Tests& tests) {
  tests.run("sparse-pagemap: eight gibibytes of nothing take no memory", [&] {
    const TempDir temp;
    const UniqueFd directory = temp.folder("d");
    put_raw(directory.get(), pagemap_of({field(1, 0) + field(2, 3)}));
    tests.expect(::truncate((temp.path() + "/d/" + kName).c_str(), off_t{8} << 30) == 0);
    tests.expect(read_pagemap(directory.get(), kName).error().number == EBADMSG);
    tests.expect(::truncate((temp.path() + "/d/" + kName).c_str(), (off_t{8} << 30) + 1) == 0);
    tests.expect(read_pagemap(directory.get(), kName).error().number == EBADMSG);
  });
}

std::string mutated(std::mt19937& random, std::string bytes) {
  for (size_t i = 1 + random() % 4; i > 0 && !bytes.empty(); --i) {
    const size_t at = random() % bytes.size();
    const auto byte = static_cast<char>(random());
    switch (random() % 4) {
      case 0:
        bytes[at] = byte;
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.insert(at, 1, byte);
        break;
      default:
        bytes.erase(at, 1 + random() % 8);
        break;
    }
  }
  return bytes;
}

void test_mutations(Tests& tests) {
  tests.run("6000 mutated and random files are refused or give sorted, disjoint entries", [&] {
    std::mt19937 random(10);
    for (int i = 0; i < 6'000; ++i) {
      std::string bytes = pagemap_of({});
      for (const auto& run : random_runs(random, random() % 8)) {
        bytes += message(field(1, run.vaddr) + field(2, 0) + field(4, run.flags) + field(5, run.pages));
      }
      const auto map = read_raw(mutated(random, bytes));
      if (!map.ok()) {
        tests.expect(map.error().number == EBADMSG || map.error().number == ENOTSUP);
        continue;
      }
      uint64_t end = 0;
      for (const auto& entry : map.value().entries) {
        tests.expect(entry.vaddr >= end && entry.pages > 0 && entry.end() > entry.vaddr);
        end = entry.end();
      }
    }
  });
}

void test_ids(Tests& tests) {
  tests.run("decode_id() knows the numbers of all CRIUs and no others", [&] {
    const int tasks[] = {1, 10, 11, 16, 17};
    const int objects[] = {2, 27, 28, 29, 32, 33, 34};
    for (int type = 0; type < 256; ++type) {
      ImageId id{};
      const bool task = std::find(std::begin(tasks), std::end(tasks), type) != std::end(tasks);
      const bool object = std::find(std::begin(objects), std::end(objects), type) != std::end(objects);
      const bool known = decode_id(uint64_t{77} << 8 | static_cast<unsigned>(type), &id);
      tests.expect(known == (task || object));
      if (known) tests.expect(id == ImageId{task ? ImageId::Kind::task : ImageId::Kind::shmem, 77});
    }
  });
}

}  // namespace
}  // namespace frazil::page

void frazil::test_page_map(Tests& tests) {
  page::test_round_trip(tests);
  page::test_forms(tests);
  page::test_sparse(tests);
  page::test_mutations(tests);
  page::test_ids(tests);
}
