// Conversations that go well: whatever the form of the headers, the way of the payload and the store, the files are the same.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "test/page_client.h"
#include "test/tests.h"

namespace frazil::page {
namespace {

constexpr uint64_t kBase = 0x7f0000000000;

struct Variant {
  const char* title;
  HeaderForm form;
  Way way;
  StoreKind store;
};

constexpr Variant kVariants[] = {
    {"24-byte headers, spliced pages, directory store", HeaderForm::narrow, Way::splice, StoreKind::directory},
    {"32-byte headers, spliced pages, directory store", HeaderForm::wide, Way::splice, StoreKind::directory},
    {"24-byte headers, spliced pages, memory store", HeaderForm::narrow, Way::splice, StoreKind::memory},
    {"32-byte headers, spliced pages, memory store", HeaderForm::wide, Way::splice, StoreKind::memory},
    {"32-byte headers, written pages, directory store", HeaderForm::wide, Way::write, StoreKind::directory},
    {"32-byte headers, written pages, memory store", HeaderForm::wide, Way::write, StoreKind::memory},
    {"32-byte headers, pages written in odd pieces, directory store", HeaderForm::wide, Way::odd_writes,
     StoreKind::directory},
    {"24-byte headers, pages written in odd pieces, memory store", HeaderForm::narrow, Way::odd_writes,
     StoreKind::memory},
    {"32-byte headers, a client slower than the server, directory store", HeaderForm::wide, Way::slow,
     StoreKind::directory},
    {"32-byte headers, a client slower than the server, memory store", HeaderForm::wide, Way::slow, StoreKind::memory},
};

bool same(const std::vector<PagemapEntry>& found, const std::vector<PagemapEntry>& wanted) {
  return std::equal(found.begin(), found.end(), wanted.begin(), wanted.end(), [](const auto& a, const auto& b) {
    return a.vaddr == b.vaddr && a.pages == b.pages && a.flags == b.flags;
  });
}

// Two tasks and a shared memory object; neighbouring runs, a gap, another flag, one run larger than any pipe.
struct Contents {
  std::mt19937 random{1};
  Bytes near = random_pages(random, 3);
  Bytes next = random_pages(random, 2);
  Bytes lazy = random_pages(random, 1);
  Bytes large = random_pages(random, 700);
  Bytes shared = random_pages(random, 4);
};

void talk(Tests& tests, FakeCriu& client, const Contents& c) {
  tests.expect(client.ask_parent(task_id(7)) == false);
  tests.expect(client.open2(task_id(7)) == false);
  tests.expect(client.pages(kBase, c.near) && client.pages(kBase + 3 * kPageSize, c.next));
  tests.expect(client.run(kLazy, kBase + 5 * kPageSize, 9) && client.pages(kBase + (1 << 20), c.lazy, kLazy));
  tests.expect(client.open2(task_id(8)) == false && client.pages(kBase, c.large));
  tests.expect(client.open2(shmem_id(0x123456789a)) == false && client.pages(0, c.shared));
  tests.expect(client.close() == 0);
}

void expect_contents(Tests& tests, int directory, const Contents& c) {
  const auto first = read_pagemap(directory, "pagemap-7.img").value();
  tests.expect(first.pages_id == 1);
  tests.expect(
      same(first.entries,
           {{kBase, 5, kPresent}, {kBase + 5 * kPageSize, 9, kLazy}, {kBase + (1 << 20), 1, kPresent | kLazy}}));
  Bytes joined = c.near;
  joined.insert(joined.end(), c.next.begin(), c.next.end());
  joined.insert(joined.end(), c.lazy.begin(), c.lazy.end());
  tests.expect(read_file(directory, "pages-1.img") == joined);
  const auto second = read_pagemap(directory, "pagemap-8.img").value();
  tests.expect(second.pages_id == 2 && same(second.entries, {{kBase, 700, kPresent}}));
  tests.expect(read_file(directory, "pages-2.img") == c.large);
  const auto third = read_pagemap(directory, "pagemap-shmem-78187493530.img").value();
  tests.expect(third.pages_id == 3 && same(third.entries, {{0, 4, kPresent}}));
  tests.expect(read_file(directory, "pages-3.img") == c.shared);
}

void test_variants(Tests& tests) {
  for (const Variant& variant : kVariants) {
    tests.run(variant.title, [&] {
      const size_t threads = thread_count();
      const Contents contents;
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      {
        Dump dump(directory.get(), variant.store);
        const auto failure =
            dump.serve(variant.form, variant.way, [&](FakeCriu& client) { talk(tests, client, contents); });
        tests.expect(!failure && dump.sink->form() == variant.form);
        tests.expect(dump.settle());
        tests.expect(dump.counters->bytes_in == 710 * kPageSize && dump.counters->images == 3 &&
                     dump.counters->runs == 6);
      }
      expect_contents(tests, directory.get(), contents);
      tests.expect(thread_count() == threads);
    });
  }
}

void test_modes(Tests& tests) {
  tests.run("files have mode 0600, whatever the umask lets through", [&] {
    const TempDir temp;
    const UniqueFd directory = temp.folder("d");
    const mode_t before = ::umask(0);
    for (const StoreKind store : {StoreKind::directory, StoreKind::memory}) {
      Dump dump(directory.get(), store);
      (void)dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu& client) { talk(tests, client, Contents()); });
      tests.expect(dump.settle());
      for (const char* name : {"pages-1.img", "pagemap-7.img"}) {
        struct stat status;
        tests.expect(::fstatat(directory.get(), name, &status, 0) == 0 && (status.st_mode & 07777) == 0600);
      }
    }
    (void)::umask(before);
  });
}

// What CRIU before 3.0 sends, and that OPEN is not answered.
void test_old_commands(Tests& tests) {
  for (const HeaderForm form : {HeaderForm::narrow, HeaderForm::wide}) {
    tests.run("OPEN, ADD and CLOSE of old clients", [&] {
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      Dump dump(directory.get(), StoreKind::directory);
      const Contents c;
      const auto failure = dump.serve(form, Way::splice, [&](FakeCriu& client) {
        tests.expect(client.send(static_cast<uint32_t>(Command::open), 0, 0, 5 << 8 | 10));
        tests.expect(client.send(static_cast<uint32_t>(Command::add), 3, kBase, 0) && client.payload(c.near));
        tests.expect(client.close(Command::close) == 0);
      });
      tests.expect(!failure && dump.settle());
      tests.expect(read_file(directory.get(), "pages-1.img") == c.near);
      tests.expect(same(read_pagemap(directory.get(), "pagemap-5.img").value().entries, {{kBase, 3, kPresent}}));
    });
  }
}

void test_empty(Tests& tests) {
  for (const HeaderForm form : {HeaderForm::narrow, HeaderForm::wide}) {
    tests.run("a client that closes at once is answered, whichever form its header has", [&] {
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      Dump dump(directory.get(), StoreKind::memory);
      const auto failure = dump.serve(form, Way::write, [&](FakeCriu& client) { tests.expect(client.close() == 0); });
      tests.expect(!failure && dump.sink->form() == HeaderForm::unknown && dump.settle());
    });
  }
  tests.run("an image without runs has a pagemap and an empty pages file", [&] {
    for (const StoreKind store : {StoreKind::directory, StoreKind::memory}) {
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      Dump dump(directory.get(), store);
      const auto failure = dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu& client) {
        tests.expect(client.open2(task_id(1)) == false && client.close() == 0);
      });
      tests.expect(!failure && dump.settle());
      tests.expect(read_pagemap(directory.get(), "pagemap-1.img").value().entries.empty());
      tests.expect(exists(directory.get(), "pages-1.img") && read_file(directory.get(), "pages-1.img").empty());
    }
  });
}

void test_zeros(Tests& tests) {
  for (const StoreKind store : {StoreKind::directory, StoreKind::memory}) {
    tests.run("long stretches of zero pages become holes, short ones stay", [&] {
      std::mt19937 random(2);
      Bytes payload;
      const auto add = [&](const Bytes& more) { payload.insert(payload.end(), more.begin(), more.end()); };
      add(zero_pages(64));
      add(random_pages(random, 10));
      add(zero_pages(3));
      add(random_pages(random, 300));
      add(zero_pages(100));
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      Dump dump(directory.get(), store);
      const auto failure = dump.serve(HeaderForm::wide, Way::splice, [&](FakeCriu& client) {
        tests.expect(client.open2(task_id(1)) == false && client.pages(kBase, payload) && client.close() == 0);
      });
      tests.expect(!failure && dump.settle());
      tests.expect(read_file(directory.get(), "pages-1.img") == payload);
      // Nobody looks for short ones in a file while the tree is frozen.
      tests.expect(dump.counters->zero_pages == (store == StoreKind::memory ? 167 : 164));
      tests.expect(dump.counters->sparse_pages == 164);
      tests.expect(allocated(directory.get(), "pages-1.img") <= 313 * kPageSize);
    });
  }
}

void test_prepare(Tests& tests) {
  for (const uint64_t expected : {uint64_t{0}, uint64_t{1} << 20, uint64_t{200} << 20}) {
    tests.run("prepare() for less and for more than comes", [&] {
      std::mt19937 random(3);
      // Beyond what prepare() adds for good measure to each of two stripes.
      const Bytes payload = random_pages(random, 12'000);
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      Dump dump(directory.get(), StoreKind::memory);
      tests.expect(dump.sink->prepare(expected, dump.cancel).ok());
      const auto failure = dump.serve(HeaderForm::wide, Way::splice, [&](FakeCriu& client) {
        tests.expect(client.open2(task_id(1)) == false && client.pages(kBase, payload) && client.close() == 0);
      });
      tests.expect(!failure && dump.settle());
      tests.expect(read_file(directory.get(), "pages-1.img") == payload);
      tests.expect(dump.counters->bytes_prepared >= expected && dump.counters->bytes_absorbed == payload.size());
    });
  }
}

// The client has sent everything before the server begins, so that every splice finds as much as it can take.
void test_all_at_once(Tests& tests) {
  tests.run("a whole conversation that lies ready", [&] {
    const TempDir temp;
    const UniqueFd directory = temp.folder("d");
    Dump dump(directory.get(), StoreKind::directory);
    const Contents c;
    SocketPair pair = stream_pair(size_t{32} << 20).value();
    FakeCriu client(pair.second.get(), HeaderForm::wide, Way::write);
    tests.expect(client.send(static_cast<uint32_t>(Command::open), 0, 0, task_id(1)));
    tests.expect(client.pages(kBase, c.large) && client.pages(2 * kBase, c.near));
    tests.expect(client.send(static_cast<uint32_t>(Command::force_close), 0, 0, 0));
    tests.expect(!dump.sink->serve(pair.first.get(), dump.cancel) && dump.settle());
    tests.expect(read_file(directory.get(), "pages-1.img").size() == 703 * kPageSize);
  });
}

void test_aliasing(Tests& tests) {
  for (const StoreKind store : {StoreKind::directory, StoreKind::memory}) {
    tests.run("what a task writes after the answer to CLOSE is not stored", [&] {
      constexpr size_t kBytes = size_t{6} << 20;
      for (int round = 0; round < 5; ++round) {
        void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        std::memset(memory, 'a', kBytes);
        const TempDir temp;
        const UniqueFd directory = temp.folder("d");
        Dump dump(directory.get(), store);
        const auto failure = dump.serve(HeaderForm::wide, Way::splice, [&](FakeCriu& client) {
          const std::span<const std::byte> pages(static_cast<const std::byte*>(memory), kBytes);
          tests.expect(client.open2(task_id(1)) == false && client.pages(kBase, pages) && client.close() == 0);
          std::memset(memory, 'b', kBytes);
        });
        tests.expect(!failure && dump.settle());
        const Bytes stored = read_file(directory.get(), "pages-1.img");
        tests.expect(stored.size() == kBytes && std::count(stored.begin(), stored.end(), std::byte{'a'}) == kBytes);
        (void)::munmap(memory, kBytes);
      }
    });
  }
}

}  // namespace
}  // namespace frazil::page

void frazil::test_page_receive(Tests& tests) {
  page::test_variants(tests);
  page::test_modes(tests);
  page::test_old_commands(tests);
  page::test_empty(tests);
  page::test_zeros(tests);
  page::test_prepare(tests);
  page::test_all_at_once(tests);
  page::test_aliasing(tests);
}
