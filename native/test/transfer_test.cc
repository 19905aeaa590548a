// The destination's end of a migration's page streams: what a level becomes in an images directory, and what a peer must not say.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <vector>

#include "core/thread.h"
#include "crypto/openssl.h"
#include "sys/private_tmpfs.h"
#include "sys/socket_pair.h"
#include "test/tests.h"
#include "transfer/intake.h"
#include "transfer/tunnel.h"

namespace frazil::transfer {
namespace {

using page::kLazy;
using page::kPageSize;
using page::kParent;
using page::kPresent;
using Extent = Intake::Extent;

const uint64_t kTask = image_key({page::ImageId::Kind::task, 7});
constexpr uint64_t kFirst = 0x10000;

std::vector<std::byte> pages_of(char letter, uint64_t pages) {
  return std::vector<std::byte>(pages * kPageSize, static_cast<std::byte>(letter));
}

StreamKey key_of(char letter) {
  StreamKey key;
  key.fill(static_cast<std::byte>(letter));
  return key;
}

// The source, as bytes.
class Peer {
 public:
  Peer(UniqueFd socket, const std::optional<StreamKey>& key)
      : stream_(OutgoingStream::open(std::move(socket), key).value()) {}

  void pages(uint32_t level, uint64_t first, std::vector<std::byte> bytes, FrameKind kind = FrameKind::pages) {
    send({static_cast<uint32_t>(kind), level, kTask, first, static_cast<uint32_t>(bytes.size() / kPageSize),
          static_cast<uint32_t>(bytes.size())},
         bytes);
  }
  void zeros(uint32_t level, uint64_t first, uint32_t pages) {
    send({static_cast<uint32_t>(FrameKind::zero), level, kTask, first, pages, 0}, {});
  }
  void map(uint32_t level, const std::vector<MapEntry>& entries) {
    std::vector<std::byte> bytes(entries.size() * sizeof(MapEntry));
    if (!bytes.empty()) std::memcpy(bytes.data(), entries.data(), bytes.size());
    send({static_cast<uint32_t>(FrameKind::map), level, kTask, 0, 0, static_cast<uint32_t>(bytes.size())}, bytes);
  }
  void barrier(uint32_t level) { send({static_cast<uint32_t>(FrameKind::barrier), level, 0, 0, 0, 0}, {}); }
  void send(const FrameHead& head, std::span<std::byte> body) { (void)stream_.send(head, body, cancel_); }

 private:
  Cancel cancel_ = Cancel::open().value();
  OutgoingStream stream_;
};

UniqueFd copy_of(const UniqueFd& fd) { return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)); }

// One Intake with so many streams, each with a peer of ours.
struct Rig {
  explicit Rig(size_t streams = 1, uint64_t max_pages = 64, const std::optional<StreamKey>& theirs = {},
               const std::optional<StreamKey>& ours = {}) {
    IntakeOptions options;
    options.max_bytes = max_pages * kPageSize;
    for (size_t i = 0; i < streams; ++i) {
      SocketPair pair = stream_pair(size_t{4} << 20).value();
      options.sockets.push_back(std::move(pair.first));
      if (ours) options.keys.push_back(*ours);
      peers.emplace_back(std::move(pair.second), theirs);
    }
    intake = Intake::open(std::move(options), counters).value();
  }

  int receive(UniqueFd directory, UniqueFd parent = {}, Extent extent = Extent::whole) {
    const auto done = intake->receive(std::move(directory), std::move(parent), extent, cancel);
    return done.ok() ? 0 : done.error().number;
  }
  // Of a level of its own, whose directory nobody looks at.
  int receive(Extent extent = Extent::whole) {
    return receive(open_private_tmpfs(PageBacking::small).value(), {}, extent);
  }

  std::shared_ptr<Counters> counters = std::make_shared<Counters>();
  Cancel cancel = Cancel::open().value();
  std::vector<Peer> peers;
  std::unique_ptr<Intake> intake;
};

UniqueFd images() { return open_private_tmpfs(PageBacking::small).value(); }

char letter_at(int directory, uint64_t page) {
  const UniqueFd file(::openat(directory, "pages-1.img", O_RDONLY | O_CLOEXEC));
  char letter = 0;
  if (::pread(file.get(), &letter, 1, static_cast<off_t>(page * kPageSize)) != 1) return '?';
  return letter;
}

uint64_t size_in(int directory) {
  struct stat status {};
  if (::fstatat(directory, "pages-1.img", &status, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return static_cast<uint64_t>(status.st_size);
}

void test_levels(Tests& t) {
  t.run("pages, zero pages and the map of a level become its images, over two streams in any order", [&] {
    Rig rig(2);
    const UniqueFd directory = images();
    rig.peers[1].pages(0, 2, pages_of('c', 1));
    rig.peers[0].map(0, {{kFirst, 2, kPresent, 0}, {kFirst + 8 * kPageSize, 2, kPresent, 0}});
    rig.peers[0].pages(0, 0, pages_of('a', 2));
    rig.peers[1].zeros(0, 3, 1);
    for (Peer& peer : rig.peers) peer.barrier(0);
    t.expect(rig.receive(copy_of(directory)) == 0);
    t.expect(letter_at(directory.get(), 1) == 'a' && letter_at(directory.get(), 2) == 'c');
    t.expect(letter_at(directory.get(), 3) == 0 && size_in(directory.get()) == 4 * kPageSize);
    const auto map = page::read_pagemap(directory.get(), "pagemap-7.img");
    t.expect(map.ok() && map.value().entries.size() == 2 && map.value().pages_id == 1);
    t.expect(rig.counters->sent_pages == 3 && rig.counters->zero_pages == 1);
  });
  t.run("what the next level replaces is freed below it", [&] {
    Rig rig;
    const UniqueFd first = images();
    rig.peers[0].map(0, {{kFirst, 4, kPresent, 0}});
    rig.peers[0].pages(0, 0, pages_of('a', 4));
    rig.peers[0].barrier(0);
    t.expect(rig.receive(copy_of(first)) == 0);
    rig.peers[0].map(1, {{kFirst, 1, kPresent, 0}, {kFirst + kPageSize, 3, kParent, 0}});
    rig.peers[0].pages(1, 0, pages_of('b', 1));
    rig.peers[0].barrier(1);
    t.expect(rig.receive(images(), copy_of(first)) == 0);
    t.expect(letter_at(first.get(), 0) == 0 && letter_at(first.get(), 1) == 'a');
  });
  t.run("lazy pages may stay behind when that was agreed, and only they", [&] {
    const std::vector<MapEntry> entries{{kFirst, 2, kPresent, 0}, {kFirst + 2 * kPageSize, 3, kPresent | kLazy, 0}};
    for (const Extent extent : {Extent::lacking, Extent::whole}) {
      Rig rig;
      rig.peers[0].map(0, entries);
      rig.peers[0].pages(0, 0, pages_of('a', 2));
      rig.peers[0].barrier(0);
      t.expect(rig.receive(extent) == (extent == Extent::lacking ? 0 : EPROTO));
    }
    Rig rig;
    rig.peers[0].map(0, entries);
    rig.peers[0].pages(0, 0, pages_of('a', 1));
    rig.peers[0].barrier(0);
    t.expect(rig.receive(Extent::lacking) == EPROTO);
  });
}

struct Foul {
  const char* title;
  int error;
  std::function<void(Peer&)> say;
};

void test_fouls(Tests& t) {
  const MapEntry two{kFirst, 2, kPresent, 0};
  const auto map_and_end = [](Peer& peer, const std::vector<MapEntry>& entries) {
    peer.map(0, entries);
    peer.zeros(0, 0, 2);
    peer.barrier(0);
  };
  const std::vector<Foul> fouls{
      {"a frame of another level", EPROTO, [](Peer& peer) { peer.zeros(1, 0, 1); }},
      {"a kind that is not known", EPROTO, [](Peer& peer) { peer.send({99, 0, kTask, 0, 1, 0}, {}); }},
      {"more pages in a frame than one may have", EPROTO, [](Peer& peer) { peer.zeros(0, 0, kMaxFramePages + 1); }},
      {"an image of no kind", EPROTO, [](Peer& peer) { peer.send({2, 0, 0x703, 0, 1, 0}, {}); }},
      {"a place beyond what was announced", EFBIG, [](Peer& peer) { peer.zeros(0, 64, 1); }},
      {"more than was announced, at one place", EFBIG,
       [](Peer& peer) {
         for (int i = 0; i < 65; ++i) peer.zeros(0, 0, 1);
       }},
      {"pages without a map", EPROTO,
       [](Peer& peer) {
         peer.zeros(0, 0, 2);
         peer.barrier(0);
       }},
      {"a map of more than came", EPROTO,
       [&](Peer& peer) { map_and_end(peer, {two, {kFirst + 4 * kPageSize, 1, kPresent, 0}}); }},
      {"a map that goes back", EPROTO, [&](Peer& peer) { map_and_end(peer, {two, two}); }},
      {"a map off the pages", EPROTO, [&](Peer& peer) { map_and_end(peer, {{kFirst + 1, 2, kPresent, 0}}); }},
      {"a map with flags that nobody knows", EPROTO, [&](Peer& peer) { map_and_end(peer, {{kFirst, 2, 1U << 31, 0}}); }},
      {"a hole without a parent", EPROTO,
       [&](Peer& peer) { map_and_end(peer, {two, {kFirst + 4 * kPageSize, 1, kParent, 0}}); }},
      {"compressed pages that are none", EPROTO,
       [](Peer& peer) {
         auto body = pages_of('x', 1);
         peer.send({static_cast<uint32_t>(FrameKind::lz4), 0, kTask, 0, 2, 100}, std::span(body).first(100));
       }},
  };
  for (const Foul& foul : fouls) {
    t.run(foul.title, [&] {
      Rig rig;
      foul.say(rig.peers[0]);
      t.expect(rig.receive() == foul.error);
    });
  }
  t.run("a peer that goes in the middle of a frame", [&] {
    Rig rig;
    rig.peers[0].send({1, 0, kTask, 0, 1, kPageSize}, {});
    rig.peers.clear();
    t.expect(rig.receive() == ECONNRESET);
  });
  t.run("of two streams the one that fails ends the other", [&] {
    Rig rig(2);
    rig.peers[0].zeros(5, 0, 1);
    t.expect(rig.receive() == EPROTO);
  });
}

void test_sealed(Tests& t) {
  t.run("with the key of the source a level arrives, with another it does not", [&] {
    for (const char theirs : {'k', 'x'}) {
      Rig rig(1, 64, key_of(theirs), key_of('k'));
      rig.peers[0].map(0, {{kFirst, 1, kPresent, 0}});
      rig.peers[0].pages(0, 0, pages_of('a', 1));
      rig.peers[0].barrier(0);
      t.expect(rig.receive() == (theirs == 'k' ? 0 : EBADMSG));
    }
  });
  t.run("a frame that comes a second time does not open", [&] {
    SocketPair wire = stream_pair(size_t{1} << 20).value();
    auto incoming = IncomingStream::open(std::move(wire.first), key_of('k')).value();
    const Cancel cancel = Cancel::open().value();
    // Each counts from the beginning.
    for (int i = 0; i < 2; ++i) Peer(copy_of(wire.second), key_of('k')).zeros(0, 0, 1);
    std::span<const std::byte> body;
    t.expect(incoming.receive(&body, cancel).ok());
    const auto again = incoming.receive(&body, cancel);
    t.expect(!again.ok() && again.error().number == EBADMSG);
  });
}

struct Running {
  Tunnel* tunnel;
  const Cancel* cancel;
  Result<void> outcome;
  void operator()() noexcept { outcome = tunnel->run(*cancel); }
};

void test_tunnel(Tests& t) {
  for (const bool honest : {true, false}) {
    t.run(honest ? "what goes into a tunnel comes out of it" : "a tunnel with another key gives out nothing", [&] {
      constexpr size_t kBuffer = size_t{4} << 20;  // all of it, so that nobody waits
      SocketPair outer = stream_pair(kBuffer).value();
      SocketPair near = stream_pair(kBuffer).value();
      SocketPair far = stream_pair(kBuffer).value();
      const StreamKey there = key_of(honest ? 'a' : 'x');
      auto source = Tunnel::open(std::move(outer.first), std::move(near.first), {key_of('a'), key_of('b')}).value();
      auto destination = Tunnel::open(std::move(outer.second), std::move(far.first), {key_of('b'), there}).value();
      const Cancel cancel = Cancel::open().value();
      Running one{&source, &cancel, {}};
      Running two{&destination, &cancel, {}};
      {
        const Thread first = Thread::spawn("tunnel", one).value();
        const Thread second = Thread::spawn("tunnel", two).value();
        const auto sent = pages_of('t', 100);
        std::vector<char> got(sent.size());
        t.expect(::send(near.second.get(), sent.data(), sent.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(sent.size()));
        size_t done = 0;
        while (done < got.size()) {
          const ssize_t n = ::recv(far.second.get(), got.data() + done, got.size() - done, 0);
          if (n <= 0) break;
          done += static_cast<size_t>(n);
        }
        t.expect(honest ? std::memcmp(sent.data(), got.data(), sent.size()) == 0 : done == 0);
        near.second.reset();
        far.second.reset();
      }
      if (!honest) t.expect(!two.outcome.ok() && two.outcome.error().number == EBADMSG);
    });
  }
}

}  // namespace
}  // namespace frazil::transfer

namespace frazil {

void test_transfer(Tests& tests) {
  transfer::test_levels(tests);
  transfer::test_fouls(tests);
  if (!crypto::load_openssl().ok()) {
    tests.skip("sealed streams and tunnels", "this machine has no libcrypto; under Node its own is used");
    return;
  }
  transfer::test_sealed(tests);
  transfer::test_tunnel(tests);
}

}  // namespace frazil
