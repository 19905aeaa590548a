// Pages that are sent again as what differs: the coding, what is remembered of what was sent, and both ends against a model of the memory.

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <vector>

#include "page/pagemap.h"
#include "sys/private_tmpfs.h"
#include "sys/socket_pair.h"
#include "test/tests.h"
#include "transfer/intake.h"
#include "transfer/level.h"
#include "transfer/page_delta.h"

namespace frazil::transfer {
namespace {

using page::kPageSize;
using Bytes = std::vector<std::byte>;
using Random = std::mt19937_64;

Bytes noise(Random& random, size_t bytes) {
  Bytes made(bytes);
  for (std::byte& byte : made) byte = static_cast<std::byte>(random());
  return made;
}

ConstPage as_page(const Bytes& bytes) { return ConstPage(bytes.data(), kPageSize); }

// Up to so many short changes.
void change(Random& random, std::span<std::byte> page, size_t most) {
  for (size_t left = random() % (most + 1); left > 0; --left) {
    const size_t at = random() % kPageSize;
    const size_t length = std::min(kPageSize - at, 1 + random() % 16);
    for (size_t i = 0; i < length; ++i) page[at + i] = static_cast<std::byte>(random());
  }
}

void test_coding(Tests& t) {
  t.run("a delta makes of the earlier page the later one, whatever has changed", [&] {
    Random random(1);
    size_t whole = 0;
    for (int round = 0; round < 2000; ++round) {
      const Bytes before = noise(random, kPageSize);
      Bytes now = before;
      change(random, now, round % 1000);
      std::array<std::byte, kMaxDeltaBytes> delta;
      const size_t size = encode_delta(as_page(before), as_page(now), delta);
      if (size > kMaxDeltaBytes) ++whole;
      if (size > kMaxDeltaBytes) continue;
      Bytes made = before;
      t.expect(apply_delta(std::span(delta).first(size), Page(made.data(), kPageSize)).ok() && made == now);
    }
    t.expect(whole > 300 && whole < 1700);
  });
  t.run("eight bytes that have changed take twelve, none take none, and the last byte is one, too", [&] {
    std::array<std::byte, kMaxDeltaBytes> delta;
    const Bytes before(kPageSize);
    Bytes now = before;
    t.expect(encode_delta(as_page(before), as_page(now), delta) == 0);
    for (size_t i = 0; i < 8; ++i) now[1000 + i] = std::byte{7};
    t.expect(encode_delta(as_page(before), as_page(now), delta) == 12);
    now = before;
    now.back() = std::byte{1};
    t.expect(encode_delta(as_page(before), as_page(now), delta) == 5);
  });
  t.run("what is no delta is refused", [&] {
    const std::vector<std::vector<uint16_t>> fouls = {{0, 0}, {4095, 2}, {0xffff, 1}, {0, 0xffff}, {0, 4}, {0}};
    for (const auto& foul : fouls) {
      Bytes page(kPageSize);
      const auto applied = apply_delta(std::as_bytes(std::span(foul)), Page(page.data(), kPageSize));
      t.expect(!applied.ok() && applied.error().number == EPROTO);
    }
  });
}

void test_cache(Tests& t) {
  t.run("a page keeps its place while it is sent in every level, and another gets it afterwards", [&] {
    const auto sent = SentPages::open(kPageSize).value();
    std::array<std::byte, kMaxDeltaBytes> delta;
    Random random(2);
    const Bytes one = noise(random, kPageSize);
    const Bytes two = noise(random, kPageSize);
    t.expect(!sent->renew({1, 0, 1, 5}, as_page(one), delta));
    t.expect(!sent->renew({1, kPageSize, 2, 6}, as_page(two), delta));
    const auto again = sent->renew({1, 0, 2, 7}, as_page(one), delta);
    t.expect(again && again->bytes == 0 && again->base.level == 1 && again->base.place == 5);
    t.expect(!sent->renew({1, kPageSize, 4, 8}, as_page(two), delta));
    const auto taken = sent->renew({1, kPageSize, 5, 9}, as_page(two), delta);
    t.expect(taken && taken->base.level == 4 && taken->base.place == 8);
    t.expect(!sent->renew({1, 0, 5, 1}, as_page(one), delta));
  });
  t.run("what is forgotten is no base", [&] {
    const auto sent = SentPages::open(4 * kPageSize).value();
    std::array<std::byte, kMaxDeltaBytes> delta;
    const Bytes page(kPageSize);
    t.expect(!sent->renew({1, 0, 1, 0}, as_page(page), delta));
    sent->forget(1, kPageSize);
    t.expect(sent->renew({1, 0, 2, 0}, as_page(page), delta).has_value());
    sent->forget(1, 0);
    t.expect(!sent->renew({1, 0, 3, 0}, as_page(page), delta));
  });
}

constexpr uint64_t kFirst = 0x40000;
constexpr size_t kPages = 48;
const page::ImageId kTask{page::ImageId::Kind::task, 7};

// Both ends of two streams, with a cache that is too small for all pages.
struct Rig {
  explicit Rig(bool always) : sent(SentPages::open(kPages / 2 * kPageSize).value()) {
    IntakeOptions options;
    options.max_bytes = uint64_t{1} << 30;
    for (int i = 0; i < 2; ++i) {
      SocketPair pair = stream_pair(size_t{4} << 20).value();
      options.sockets.push_back(std::move(pair.first));
      workers.push_back(Worker{OutgoingStream::open(std::move(pair.second), std::nullopt).value(), {}, {}, {}});
      workers.back().delta.emplace(*sent, always);
    }
    intake = Intake::open(std::move(options), counters).value();
  }

  // A level with all of `memory`, in stretches that the two workers take by turns.
  bool send(uint32_t number, const Bytes& memory) {
    page::Image image(kTask, 1);
    Level level(number, Maps::filled, workers, tables, sending);
    level.follow(cancel);
    bool good = level.open(image).ok();
    constexpr size_t kStretch = 16;
    for (size_t at = 0; at < kPages; at += kStretch) {
      const unsigned index = at / kStretch % 2;
      std::memcpy(workers[index].buffer.data(), memory.data() + at * kPageSize, kStretch * kPageSize);
      good = good && level.pass(index, {&image, at * kPageSize, kFirst + at * kPageSize, kStretch}, kStretch).ok();
    }
    return good && level.finish(-1, cancel).ok();
  }

  bool receive() {
    UniqueFd directory = open_private_tmpfs(PageBacking::small).value();
    UniqueFd copy(::fcntl(directory.get(), F_DUPFD_CLOEXEC, 0));
    last = std::move(directory);
    return intake->receive(std::move(copy), {}, Intake::Extent::whole, cancel).ok();
  }

  // All pages of a level lie in its pages file in order.
  Bytes received() const {
    const UniqueFd file(::openat(last.get(), "pages-1.img", O_RDONLY | O_CLOEXEC));
    Bytes bytes(kPages * kPageSize);
    const ssize_t got = ::pread(file.get(), bytes.data(), bytes.size(), 0);
    return got == static_cast<ssize_t>(bytes.size()) ? bytes : Bytes();
  }

  std::shared_ptr<Counters> counters = std::make_shared<Counters>();
  Counters sending;
  Cancel cancel = Cancel::open().value();
  std::unique_ptr<SentPages> sent;
  std::vector<Worker> workers;
  DigestTables tables;
  std::unique_ptr<Intake> intake;
  UniqueFd last;
};

void test_model(Tests& t, bool always, uint64_t seed) {
  Random random(seed);
  Rig rig(always);
  Bytes memory = noise(random, kPages * kPageSize);
  for (uint32_t level = 0; level < 8; ++level) {
    t.expect(rig.send(level, memory) && rig.receive() && rig.received() == memory);
    for (size_t i = 0; i < kPages; ++i) {
      const std::span page = std::span(memory).subspan(i * kPageSize, kPageSize);
      const auto what = random() % 8;
      if (what < 5) change(random, page, what * 3);
      if (what == 5) std::memset(page.data(), 0, page.size());
      if (what == 6) change(random, page, 2000);
    }
  }
  t.expect(rig.counters->patched_pages == rig.sending.patched_pages);
  t.expect(!always || rig.counters->patched_pages > kPages);
  t.expect(rig.counters->patch_bytes <= rig.counters->patched_pages * kPageSize / 2);
}

void test_both_ends(Tests& t) {
  for (const bool always : {true, false}) {
    const char* title = always ? "the destination has what the source had after every level"
                               : "the same where a delta is tried by what it gains";
    t.run(title, [&] {
      for (uint64_t seed = 0; seed < 12; ++seed) test_model(t, always, seed);
    });
  }
}

void send_patch(Worker& worker, const PatchHead& patch, uint64_t image) {
  Bytes body(sizeof patch);
  std::memcpy(body.data(), &patch, sizeof patch);
  const FrameHead head{static_cast<uint32_t>(FrameKind::patched), 1, image, 0, 1, static_cast<uint32_t>(body.size())};
  const Cancel cancel = Cancel::open().value();
  (void)worker.stream.send(head, body, cancel);
}

void test_fouls(Tests& t) {
  struct Foul {
    const char* title;
    PatchHead patch;
    uint64_t image;
  };
  const Foul fouls[] = {
      {"a page that is made of one of its own level is refused", {0, 1, 0}, image_key(kTask)},
      {"a page that is made of one of no level is refused", {0, 0xffffffff, 0}, image_key(kTask)},
      {"a page that is made of one behind the end is refused", {kPages, 0, 0}, image_key(kTask)},
      {"a page that is made of one at no place is refused", {uint64_t{1} << 60, 0, 0}, image_key(kTask)},
      {"a page of an image that was not there is refused", {0, 0, 0}, image_key({page::ImageId::Kind::task, 8})},
      {"a delta that is longer than the frame is refused", {0, 0, 100}, image_key(kTask)},
  };
  for (const Foul& foul : fouls) {
    t.run(foul.title, [&] {
      Random random(3);
      Rig rig(true);
      t.expect(rig.send(0, noise(random, kPages * kPageSize)) && rig.receive());
      send_patch(rig.workers[0], foul.patch, foul.image);
      rig.workers[1].stream.shut_down();
      UniqueFd directory = open_private_tmpfs(PageBacking::small).value();
      const auto done = rig.intake->receive(std::move(directory), {}, Intake::Extent::whole, rig.cancel);
      t.expect(!done.ok() && done.error().number == EPROTO);
    });
  }
}

}  // namespace
}  // namespace frazil::transfer

namespace frazil {

void test_delta(Tests& tests) {
  transfer::test_coding(tests);
  transfer::test_cache(tests);
  transfer::test_both_ends(tests);
  transfer::test_fouls(tests);
}

}  // namespace frazil
