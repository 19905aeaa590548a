// Conversations that go wrong. In all of them the client must see an end, or an answer to CLOSE that is not 0: CRIU then lets the
// tree run.

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cstring>

#include "test/page_client.h"
#include "test/tests.h"

namespace frazil::page {
namespace {

constexpr uint64_t kBase = 0x400000;

// A socket on which everything is written as bytes, to be cut anywhere.
Bytes recorded(HeaderForm form, size_t pages) {
  SocketPair pair = stream_pair(size_t{1} << 20).value();
  FakeCriu client(pair.first.get(), form, Way::write);
  std::mt19937 random(5);
  (void)client.send(static_cast<uint32_t>(Command::open2), 0, 0, task_id(1));
  (void)client.pages(kBase, random_pages(random, pages));
  (void)client.run(kLazy, 2 * kBase, 3);
  (void)client.send(static_cast<uint32_t>(Command::force_close), 0, 0, 0);
  (void)::shutdown(pair.first.get(), SHUT_WR);
  Bytes all;
  std::byte block[4096];
  for (ssize_t n; (n = ::read(pair.second.get(), block, sizeof block)) > 0;) all.insert(all.end(), block, block + n);
  return all;
}

void test_hang_ups(Tests& tests) {
  for (const HeaderForm form : {HeaderForm::narrow, HeaderForm::wide}) {
    tests.run("a peer that hangs up after any byte of a conversation", [&] {
      const size_t threads = thread_count();
      const Bytes all = recorded(form, 1);
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      // Inside the page every byte is like the others.
      for (size_t n = 0; n <= all.size(); n += n > 70 && n + 120 < all.size() ? 211 : 1) {
        Dump dump(directory.get(), n % 2 == 0 ? StoreKind::directory : StoreKind::memory);
        SocketPair pair = stream_pair(0).value();
        tests.expect(::send(pair.second.get(), all.data(), n, 0) == static_cast<ssize_t>(n));
        pair.second.reset();
        const auto failure = dump.sink->serve(pair.first.get(), dump.cancel);
        tests.expect(failure && failure->fault == Fault::hung_up);
      }
      tests.expect(thread_count() == threads);
    });
  }
}

void test_cancel_stages(Tests& tests) {
  tests.run("a cancel at any stage of a conversation ends it, and the peer sees that", [&] {
    const size_t threads = thread_count();
    const Bytes all = recorded(HeaderForm::wide, 3);
    const TempDir temp;
    const UniqueFd directory = temp.folder("d");
    for (const size_t n : {size_t{0}, size_t{1}, size_t{24}, size_t{32}, size_t{40}, size_t{64}, size_t{100},
                           size_t{4160}, all.size() - 40}) {
      Dump dump(directory.get(), StoreKind::directory);
      const auto failure = dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu&) {});
      tests.expect(failure && failure->fault == Fault::hung_up);
      Dump cut(directory.get(), StoreKind::memory);
      SocketPair pair = stream_pair(0).value();
      tests.expect(::send(pair.second.get(), all.data(), n, 0) == static_cast<ssize_t>(n));
      auto body = [&]() noexcept { cut.cancel.signal(); };
      const Thread thread = Thread::spawn("canceller", body).value();
      const auto cancelled = cut.sink->serve(pair.first.get(), cut.cancel);
      tests.expect(cancelled && cancelled->fault == Fault::cancelled);
      std::byte rest[8];
      while (::recv(pair.second.get(), rest, sizeof rest, 0) > 0) continue;  // would block if it were not shut down
    }
    tests.expect(thread_count() == threads);
  });
}

void test_cancel_files(Tests& tests) {
  tests.run("a cancel before prepare() or settle() stops them", [&] {
    for (const StoreKind store : {StoreKind::directory, StoreKind::memory}) {
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      Dump dump(directory.get(), store);
      const auto failure = dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu& criu) {
        tests.expect(criu.open2(task_id(1)).has_value() && criu.pages(kBase, zero_pages(9)) && criu.close() == 0);
      });
      dump.cancel.signal();
      tests.expect(!failure && dump.sink->settle(dump.cancel).error().number == ECANCELED);
      tests.expect(!exists(directory.get(), "pagemap-1.img"));
      Dump other(directory.get(), store);
      const auto prepared = other.sink->prepare(1 << 20, dump.cancel);
      tests.expect(store == StoreKind::directory ? prepared.ok() : prepared.error().number == ECANCELED);
    }
  });
}

void test_full(Tests& tests) {
  const UniqueFd probe = open_limited_tmpfs(1 << 20);
  if (!probe) return tests.skip("a full file system", "needs CAP_SYS_ADMIN");
  tests.run("no room: CLOSE is answered with the reason, when the failure is noticed only then", [&] {
    const UniqueFd directory = open_limited_tmpfs(64 << 10);
    Dump dump(directory.get(), StoreKind::directory);
    const auto failure = dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu& criu) {
      tests.expect(criu.open2(task_id(1)).has_value() && criu.pages(kBase, zero_pages(40)));
      tests.expect(criu.close() == -ENOSPC);
    });
    tests.expect(failure && failure->fault == Fault::system && failure->error.number == ENOSPC);
  });
  tests.run("no room: a client in the middle of its pages is hung up on", [&] {
    const UniqueFd directory = open_limited_tmpfs(1 << 20);
    Dump dump(directory.get(), StoreKind::directory);
    std::mt19937 random(6);
    const Bytes payload = random_pages(random, 16'000);
    const auto failure = dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu& criu) {
      tests.expect(criu.open2(task_id(1)).has_value() && !criu.pages(kBase, payload));
    });
    tests.expect(failure && failure->fault == Fault::system && failure->error.number == ENOSPC);
  });
  tests.run("no room for what was absorbed: settle() says so, and no pagemap promises pages", [&] {
    const UniqueFd directory = open_limited_tmpfs(1 << 20);
    Dump dump(directory.get(), StoreKind::memory);
    std::mt19937 random(7);
    const Bytes payload = random_pages(random, 1000);
    const auto failure = dump.serve(HeaderForm::wide, Way::splice, [&](FakeCriu& criu) {
      tests.expect(criu.open2(task_id(1)).has_value() && criu.pages(kBase, payload) && criu.close() == 0);
    });
    tests.expect(!failure && dump.sink->settle(dump.cancel).error().number == ENOSPC);
    tests.expect(!exists(directory.get(), "pagemap-1.img"));
  });
}

void test_cut(Tests& tests) {
  tests.run("a pages file that somebody cuts short before settle() is noticed", [&] {
    const TempDir temp;
    const UniqueFd directory = temp.folder("d");
    Dump dump(directory.get(), StoreKind::directory);
    const auto failure = dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu& criu) {
      tests.expect(criu.open2(task_id(1)).has_value() && criu.pages(kBase, zero_pages(400)) && criu.close() == 0);
    });
    tests.expect(!failure && ::truncate((temp.path() + "/d/pages-1.img").c_str(), 300 * 4096 + 7) == 0);
    tests.expect(dump.sink->settle(dump.cancel).error().number == EIO);
  });
  tests.run("a pages file that lacks only the end of its last page is noticed, too", [&] {
    std::mt19937 random(12);
    const Bytes payload = random_pages(random, 2);
    const TempDir temp;
    const UniqueFd directory = temp.folder("d");
    Dump dump(directory.get(), StoreKind::directory);
    const auto failure = dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu& criu) {
      tests.expect(criu.open2(task_id(1)).has_value() && criu.pages(kBase, payload) && criu.close() == 0);
    });
    tests.expect(!failure && ::truncate((temp.path() + "/d/pages-1.img").c_str(), 2 * 4096 - 1) == 0);
    tests.expect(dump.sink->settle(dump.cancel).error().number == EIO);
  });
  tests.run("a link in the place of a pages file is not followed", [&] {
    for (const StoreKind store : {StoreKind::directory, StoreKind::memory}) {
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      tests.expect(::symlinkat("../victim", directory.get(), "pages-1.img") == 0);
      Dump dump(directory.get(), store);
      const auto failure = dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu& criu) {
        if (criu.open2(task_id(1)).has_value() && criu.pages(kBase, zero_pages(1))) (void)criu.close();
      });
      const bool refused =
          failure ? failure->error.number == ELOOP : dump.sink->settle(dump.cancel).error().number == ELOOP;
      tests.expect(refused && ::access((temp.path() + "/victim").c_str(), F_OK) == -1);
    }
  });
}

struct Misuse {
  const char* title;
  Fault fault;
  void (*talk)(FakeCriu&);
};

constexpr auto kAddF = static_cast<uint32_t>(Command::add_f);
constexpr Misuse kMisuses[] = {
    {"a run before any OPEN", Fault::no_image,
     [](FakeCriu& c) { (void)(c.ask_parent(task_id(1)) && c.run(kLazy, kBase, 1)); }},
    {"GET", Fault::unknown_command, [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.send(7, 1, kBase, 1)); }},
    {"an unknown command", Fault::unknown_command,
     [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.send(99, 0, 0, 0)); }},
    {"CLOSE with flags", Fault::bad_header,
     [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.send(0x41023, 0, 0, 0)); }},
    {"an unknown kind of image", Fault::unknown_image, [](FakeCriu& c) { (void)c.open2(1 << 8 | 99); }},
    {"PARENT about an unknown kind", Fault::unknown_image, [](FakeCriu& c) { (void)c.ask_parent(1 << 8 | 99); }},
    {"runs out of order", Fault::not_sorted,
     [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.run(kLazy, kBase, 2) && c.run(kLazy, kBase + kPageSize, 1)); }},
    {"no pages", Fault::bad_header, [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.run(kLazy, kBase, 0)); }},
    {"an address inside a page", Fault::bad_header,
     [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.run(kLazy, kBase + 1, 1)); }},
    {"an address beyond any", Fault::bad_header,
     [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.run(kLazy, ~uint64_t{4095}, 1)); }},
    {"more pages than any address space has", Fault::bad_header,
     [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.run(kPresent, kBase, uint64_t{1} << 52)); }},
    {"an unknown flag", Fault::bad_header,
     [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.run(kLazy | 8, kBase, 1)); }},
    {"no flag", Fault::bad_header, [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.send(kAddF, 1, kBase, 0)); }},
    {"both here and in the parent", Fault::bad_header,
     [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.run(kPresent | kParent, kBase, 1)); }},
    {"an image opened twice", Fault::bad_header,
     [](FakeCriu& c) { (void)(c.open2(task_id(1)) && c.open2(task_id(2)) && c.open2(task_id(1))); }},
};

void test_misuse(Tests& tests) {
  for (const auto& [title, fault, talk] : kMisuses) {
    tests.run((std::string("refused: ") + title).c_str(), [&] {
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      Dump dump(directory.get(), StoreKind::directory);
      const auto failure = dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu& criu) {
        talk(criu);
        tests.expect(!criu.close());
      });
      tests.expect(failure && failure->fault == fault);
    });
  }
  tests.run("a number of copying threads that makes no sense is refused at once", [&] {
    const TempDir temp;
    for (const unsigned workers : {0U, 65U, 4'000'000'000U}) {
      SinkOptions options;
      options.receiver.workers = workers;
      tests.expect(Sink::open(temp.folder("d"), {}, options, std::make_shared<Counters>()).error().number == EINVAL);
    }
  });
}

size_t open_fds() {
  size_t count = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

void test_many_images(Tests& tests) {
  for (const StoreKind store : {StoreKind::directory, StoreKind::memory}) {
    tests.run("a thousand tasks with three hundred fds", [&] {
      rlimit before{};
      (void)::getrlimit(RLIMIT_NOFILE, &before);
      const rlimit few{300, before.rlim_max};
      tests.expect(::setrlimit(RLIMIT_NOFILE, &few) == 0 && open_fds() < 100);
      const TempDir temp;
      const UniqueFd directory = temp.folder("d");
      Dump dump(directory.get(), store);
      std::mt19937 random(8);
      const Bytes payload = random_pages(random, 2);
      const auto failure = dump.serve(HeaderForm::wide, Way::write, [&](FakeCriu& criu) {
        for (uint64_t pid = 1; pid <= 1000; ++pid)
          tests.expect(criu.open2(task_id(pid)) == false && criu.pages(kBase, payload));
        tests.expect(criu.close() == 0);
      });
      tests.expect(!failure && dump.settle());
      for (const char* name : {"pages-1.img", "pages-128.img", "pages-129.img", "pages-1000.img"}) {
        tests.expect(read_file(directory.get(), name) == payload);
      }
      tests.expect(read_pagemap(directory.get(), "pagemap-1000.img").value().pages_id == 1000);
      tests.expect(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    });
  }
}

}  // namespace
}  // namespace frazil::page

void frazil::test_page_failure(Tests& tests) {
  page::test_hang_ups(tests);
  page::test_cancel_stages(tests);
  page::test_cancel_files(tests);
  page::test_full(tests);
  page::test_cut(tests);
  page::test_misuse(tests);
  page::test_many_images(tests);
}
