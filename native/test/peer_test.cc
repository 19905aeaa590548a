// Both ends of a page conversation in which pages are asked for: the book of what is on its way, the meeting in both forms, a source that is
// fed by ours, and peers that answer with something else.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/thread.h"
#include "page/directory_source.h"
#include "page/image_file.h"
#include "page/page_feeder.h"
#include "page/peer_source.h"
#include "sys/private_tmpfs.h"
#include "sys/socket_pair.h"
#include "test/tests.h"

namespace frazil::page {
namespace {

constexpr ImageId kTask{ImageId::Kind::task, 7};
constexpr uint64_t kFirst = 0x10000;
constexpr uint64_t kPages = 1500;  // more than one answer may have
constexpr uint64_t kGap = 8;       // pages that are not lazy in between
constexpr uint64_t kSecond = kFirst + (kPages + kGap) * kPageSize;

Want want(uint64_t page, uint64_t pages, Urgency urgency = Urgency::background) {
  return {kTask, kFirst + page * kPageSize, pages, urgency};
}

// Page p holds p in its first word; every third is zero.
UniqueFd make_images() {
  UniqueFd directory = open_private_tmpfs(PageBacking::small).value();
  PagemapWriter map(1);
  (void)map.append({kFirst, kPages, kPresent | kLazy});
  (void)map.append({kFirst + kPages * kPageSize, kGap, kPresent});
  (void)map.append({kSecond, kPages, kPresent | kLazy});
  (void)map.write(directory.get(), kTask);
  const UniqueFd pages = create_image_file(directory.get(), "pages-1.img", O_RDWR).value();
  (void)!::ftruncate(pages.get(), static_cast<off_t>((2 * kPages + kGap) * kPageSize));
  for (uint64_t p = 0; p < 2 * kPages + kGap; ++p) {
    if (p % 3 != 0) (void)!::pwrite(pages.get(), &p, sizeof p, static_cast<off_t>(p * kPageSize));
  }
  return directory;
}

struct Feed {
  UniqueFd socket;
  UniqueFd images;
  FeedCounters counters{};
  std::optional<FeedFailure> failure{};
  Cancel cancel = Cancel::open().value();
  void operator()() noexcept {
    DirectorySource source(std::move(images));
    failure = PageFeeder(source, counters).serve(socket.get(), cancel);
    socket.reset();
  }
};

struct Collector final : Taker {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<uint64_t> seen = std::vector<uint64_t>(2 * kPages + kGap);
  uint64_t wrong = 0;
  std::optional<SourceFailure> lost;

  Result<void> take(const Arrival& arrival) noexcept override {
    const std::lock_guard guard(mutex);
    for (uint64_t i = 0; i < arrival.pages; ++i) {
      const uint64_t page = (arrival.vaddr - kFirst) / kPageSize + i;
      uint64_t word = 0;
      if (arrival.bytes != nullptr) std::memcpy(&word, arrival.bytes + i * kPageSize, sizeof word);
      wrong += word != (page % 3 == 0 ? 0 : page);
      if (page < seen.size()) ++seen[page];
    }
    changed.notify_all();
    return {};
  }
  void lose(const SourceFailure& failure) noexcept override {
    const std::lock_guard guard(mutex);
    lost = failure;
    changed.notify_all();
  }
  uint64_t count() {
    return static_cast<uint64_t>(std::count_if(seen.begin(), seen.end(), [](uint64_t n) { return n > 0; }));
  }
  void wait_for_pages(uint64_t pages) {
    std::unique_lock held(mutex);
    changed.wait(held, [&] { return lost || count() >= pages; });
  }
};

// Answers one question of the meeting in the narrow form, then with `answer` to the first request, and hangs up.
struct Liar {
  UniqueFd socket;
  std::vector<std::byte> answer;
  void operator()() noexcept {
    std::byte bytes[kNarrowBytes];
    const int32_t no = 0;
    for (int i = 0; i < 2; ++i) {
      (void)::recv(socket.get(), bytes, sizeof bytes, MSG_WAITALL);
      (void)::send(socket.get(), &no, sizeof no, MSG_NOSIGNAL);
    }
    (void)::recv(socket.get(), bytes, sizeof bytes, MSG_WAITALL);
    (void)::send(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    socket.reset();
  }
};

std::vector<std::byte> narrow_head(const Header& head, size_t body) {
  std::vector<std::byte> bytes(kNarrowBytes + body);
  put_header(HeaderForm::narrow, head, bytes.data());
  return bytes;
}

// How a source ends that gets this answer to a request for 4 pages.
int end_by(std::vector<std::byte> answer) {
  SocketPair pair = stream_pair(0).value();
  Liar liar{std::move(pair.first), std::move(answer)};
  Thread lying = Thread::spawn("liar", liar).value();
  auto source = PeerSource::open(std::move(pair.second), make_images()).value();
  Cancel stop = Cancel::open().value();
  Collector taker;
  (void)source->begin(taker, stop);
  (void)source->fetch(want(1, 4), taker);
  taker.wait_for_pages(kPages);
  stop.signal();
  (void)source->finish();
  if (!taker.lost || taker.lost->image != kTask || taker.lost->vaddr < kFirst || taker.wrong != 0) return 0;
  return taker.lost->error.number;
}

}  // namespace
}  // namespace frazil::page

namespace frazil {

using namespace page;

void test_peer(Tests& tests) {
  tests.run("the form of a request is known by its first 24 bytes", [&] {
    std::array<std::byte, kWideBytes> bytes{};
    const auto first = std::span<const std::byte, kNarrowBytes>(bytes.data(), kNarrowBytes);
    for (const HeaderForm form : {HeaderForm::narrow, HeaderForm::wide}) {
      for (const uint64_t pid : {1, 4096, 99999}) {
        put_header(form, {Command::get, 0, 1024, 0x7f0000001000, pid}, bytes.data());
        tests.expect(detect_asking_form(first) == form);
        const Header read = parse_header(form, bytes.data());
        tests.expect(read.command == Command::get && read.pages == 1024 && read.vaddr == 0x7f0000001000 &&
                     read.dst_id == pid);
      }
      put_header(form, {Command::parent, 0, 0, 0, 1 << 8 | 1}, bytes.data());
      tests.expect(detect_asking_form(first) == form);
    }
  });

  tests.run("nothing is asked for twice", [&] {
    Asked asked;
    tests.expect(asked.fresh(want(0, 8))->pages == 8);
    asked.add(want(4, 4));
    asked.add(want(8, 8));
    tests.expect(asked.bytes() == 12 * kPageSize && asked.count() == 2);
    tests.expect(asked.fresh(want(0, 20))->pages == 4);
    tests.expect(asked.fresh(want(6, 20))->vaddr == want(16, 1).vaddr && asked.fresh(want(6, 20))->pages == 10);
    tests.expect(!asked.fresh(want(5, 11)));
    tests.expect(asked.fresh({{ImageId::Kind::task, 8}, want(5, 1).vaddr, 1, Urgency::background})->pages == 1);
    const auto rest = asked.limit_first(3);
    tests.expect(rest && rest->vaddr == want(7, 1).vaddr && rest->pages == 1);
    tests.expect(asked.fresh(want(7, 1)).has_value());
    asked.arrived(3);
    // Whoever waits asks again for what is being delivered; the background does not.
    tests.expect(!asked.fresh(want(4, 3)) && asked.fresh(want(4, 3, Urgency::urgent))->pages == 3);
    asked.settled();
    tests.expect(asked.fresh(want(4, 3))->pages == 3);
    asked.add(want(100, 1, Urgency::urgent));
    tests.expect(asked.worst().vaddr == want(100, 1).vaddr && asked.first().vaddr == want(8, 1).vaddr);
  });

  tests.run("the window grows with what comes in a round trip, and no further", [&] {
    Window window(20'000'000);
    tests.expect(window.bytes() == Window::kLeast);
    uint64_t now = 1;
    // 100 MB/s: two megabytes in a round trip.
    for (int i = 0; i < 200; ++i) window.arrived(100'000, now += 1'000'000);
    tests.expect(window.bytes() > 2'000'000 && window.bytes() < 3'200'000);
    for (int i = 0; i < 200; ++i) window.arrived(100'000'000, now += 1'000'000);
    tests.expect(window.bytes() == Window::kMost);
    for (int i = 0; i < 200; ++i) window.arrived(10, now += 1'000'000);
    tests.expect(window.bytes() < Window::kLeast * 5 / 4);
  });

  tests.run("a wide peer is met in the wide form, whatever the images say", [&] {
    for (const HeaderForm likely : {HeaderForm::wide, HeaderForm::narrow}) {
      SocketPair pair = stream_pair(0).value();
      struct Wide {
        UniqueFd socket;
        void operator()() noexcept {
          std::byte bytes[kWideBytes];
          const int32_t no = 0;
          while (::recv(socket.get(), bytes, sizeof bytes, MSG_WAITALL) == static_cast<ssize_t>(sizeof bytes))
            (void)::send(socket.get(), &no, sizeof no, MSG_NOSIGNAL);
        }
      } wide{std::move(pair.first)};
      Thread serving = Thread::spawn("wide", wide).value();
      const auto peer = meet(pair.second.get(), likely);
      tests.expect(peer.ok() && peer.value().form == HeaderForm::wide);
      pair.second.reset();
    }
  });

  tests.run("a source that we feed has every lazy page, and says when it has all", [&] {
    SocketPair pair = stream_pair(0).value();
    Feed feed{std::move(pair.first), make_images()};
    Thread feeding = Thread::spawn("feed", feed).value();
    auto source = PeerSource::open(std::move(pair.second), make_images()).value();
    tests.expect(source->lazy_runs(kTask).value().size() == 2 &&
                 source->lazy_runs({ImageId::Kind::task, 8}).error().number == ENOENT);
    Cancel stop = Cancel::open().value();
    Collector taker;
    tests.expect(source->begin(taker, stop).ok());
    tests.expect(!source->fetch(want(1200, 1, Urgency::urgent), taker));
    tests.expect(!source->fetch(want(0, kPages), taker) &&
                 !source->fetch({kTask, kSecond, kPages, Urgency::background}, taker));
    taker.wait_for_pages(2 * kPages);
    stop.signal();
    tests.expect(source->finish().ok());
    feeding.join();
    tests.expect(!feed.failure && taker.wrong == 0 && !taker.lost && taker.count() == 2 * kPages);
    tests.expect(feed.counters.bytes >= 2 * kPages * kPageSize && feed.counters.bytes < (2 * kPages + 200) * kPageSize);
  });

  tests.run("what is not lazy, and what is no request, is not answered", [&] {
    struct Case {
      Header request;
      FeedFault fault;
    };
    const Case cases[] = {
        {{Command::get, 0, 1, kFirst + kPages * kPageSize, 7}, FeedFault::not_there},
        {{Command::get, 0, 1, 0x7000, 7}, FeedFault::not_there},
        {{Command::get, 0, 1, kFirst, 8}, FeedFault::not_there},
        {{Command::get, 0, 0, kFirst, 7}, FeedFault::bad_request},
        {{Command::open2, 0, 0, 0, 7 << 8 | 1}, FeedFault::bad_request},
        {{static_cast<Command>(99), 0, 1, kFirst, 7}, FeedFault::bad_request},
    };
    for (const Case& one : cases) {
      SocketPair pair = stream_pair(0).value();
      Feed feed{std::move(pair.first), make_images()};
      std::byte bytes[kNarrowBytes];
      put_header(HeaderForm::narrow, one.request, bytes);
      (void)::send(pair.second.get(), bytes, sizeof bytes, MSG_NOSIGNAL);
      feed();
      tests.expect(feed.failure && feed.failure->fault == one.fault);
      tests.expect(::recv(pair.second.get(), bytes, sizeof bytes, 0) == 0);
    }
  });

  tests.run("a peer that answers with something else, or stops in the midst, is the end", [&] {
    const uint64_t vaddr = want(1, 1).vaddr;
    tests.expect(end_by({}) == ECONNRESET);
    tests.expect(end_by(narrow_head({Command::add_f, kPresent, 4, vaddr, 7}, 0)) == ECONNRESET);
    tests.expect(end_by(narrow_head({Command::add_f, kPresent, 0, vaddr, 7}, 0)) == ENODATA);
    tests.expect(end_by(narrow_head({Command::add_f, kPresent, 5, vaddr, 7}, 5 * kPageSize)) == EBADMSG);
    tests.expect(end_by(narrow_head({Command::add_f, kPresent, 4, vaddr + kPageSize, 7}, 4 * kPageSize)) == EBADMSG);
    tests.expect(end_by(narrow_head({Command::add_f, kPresent, 4, vaddr, 8}, 4 * kPageSize)) == EBADMSG);
    tests.expect(end_by(narrow_head({Command::add_f, kParent, 4, vaddr, 7}, 4 * kPageSize)) == EBADMSG);
    tests.expect(end_by(narrow_head({Command::get, 0, 4, vaddr, 7}, 4 * kPageSize)) == EBADMSG);
  });
}

}  // namespace frazil
