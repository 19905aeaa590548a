// The codecs: what they write is read by themselves, and nothing that was changed on the way is.

#include <algorithm>
#include <random>
#include <string>

#include "compress/codec.h"
#include "compress/stored.h"
#include "test/tests.h"

namespace frazil {
namespace {

using compress::Codec;
using Bytes = std::vector<std::byte>;

constexpr Codec kCodecs[] = {Codec::zstd, Codec::lz4, Codec::gzip};

Bytes noise(std::mt19937& random, size_t bytes) {
  Bytes out(bytes);
  for (auto& byte : out) byte = static_cast<std::byte>(random());
  return out;
}

// Words that repeat: what memory looks like that compresses.
Bytes prose(std::mt19937& random, size_t bytes) {
  Bytes out(bytes);
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::byte>(random() % 7 == 0 ? random() : i / 64 % 16);
  return out;
}

Bytes compressed(Codec codec, int level, const Bytes& from) {
  Bytes to(compress::frame_bound(from.size()));
  auto compressor = compress::open_compressor(codec, level).value();
  to.resize(compressor->frame(from, to).value());
  return to;
}

bool gives_back(Codec codec, const Bytes& frame, const Bytes& content) {
  Bytes to(content.size());
  const auto bytes = compress::open_decompressor(codec).value()->frame(frame, to);
  return bytes.ok() && bytes.value() == content.size() && to == content;
}

bool is_refused(Codec codec, const Bytes& frame, size_t room) {
  Bytes to(room);
  const auto bytes = compress::open_decompressor(codec).value()->frame(frame, to);
  return !bytes.ok() && bytes.error().number == EBADMSG;
}

void round_trips(Tests& tests) {
  tests.run("a frame gives back what went in, at any level and length", [&] {
    std::mt19937 random(5);
    for (const Codec codec : kCodecs) {
      for (const int level : {-100, -5, 0, 1, 3, 9, 12, 100}) {
        for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{65536}, size_t{300'001}}) {
          for (const Bytes& content : {noise(random, bytes), prose(random, bytes), Bytes(bytes)}) {
            tests.expect(gives_back(codec, compressed(codec, level, content), content));
          }
        }
      }
    }
  });
  tests.run("zeros cost next to nothing", [&] {
    for (const Codec codec : kCodecs) tests.expect(compressed(codec, 3, Bytes(262'144)).size() < 2048);
  });
}

void reuse(Tests& tests) {
  tests.run("one object serves many frames, and after a bad one too", [&] {
    std::mt19937 random(6);
    for (const Codec codec : kCodecs) {
      auto compressor = compress::open_compressor(codec, 1).value();
      auto decompressor = compress::open_decompressor(codec).value();
      for (int i = 0; i < 20; ++i) {
        const Bytes content = prose(random, 4096U * static_cast<unsigned>(i + 1));
        Bytes frame(compress::frame_bound(content.size()));
        frame.resize(compressor->frame(content, frame).value());
        Bytes out(content.size());
        tests.expect(!decompressor->frame(std::span(frame).first(frame.size() / 2), out).ok());
        tests.expect(decompressor->frame(frame, out).ok() && out == content);
      }
    }
  });
}

void damage(Tests& tests) {
  tests.run("a frame that is cut off, changed, followed by something or larger than its room is refused", [&] {
    std::mt19937 random(7);
    for (const Codec codec : kCodecs) {
      const Bytes content = prose(random, 50'000);
      const Bytes frame = compressed(codec, 3, content);
      for (size_t cut : {size_t{0}, size_t{3}, size_t{9}, frame.size() / 2, frame.size() - 1}) {
        tests.expect(is_refused(codec, Bytes(frame.begin(), frame.begin() + static_cast<long>(cut)), 50'000));
      }
      Bytes twice = frame;
      twice.insert(twice.end(), frame.begin(), frame.end());
      tests.expect(is_refused(codec, twice, 100'000));
      tests.expect(is_refused(codec, frame, 49'999));
      for (int i = 0; i < 300; ++i) {
        Bytes changed = frame;
        changed[frame.size() / 4 + random() % (frame.size() / 2)] ^= static_cast<std::byte>(1 + random() % 255);
        // A match that was turned to another place may find the same bytes there.
        tests.expect(is_refused(codec, changed, 50'000) || gives_back(codec, changed, content));
      }
      tests.expect(is_refused(codec, noise(random, 5000), 50'000));
    }
  });
}

void stored(Tests& tests) {
  tests.run("a stored frame is as long for any content, and a frame like any other", [&] {
    std::mt19937 random(8);
    for (const Codec codec : kCodecs) {
      for (const size_t bytes : {size_t{256}, size_t{4096}, size_t{65535}}) {
        const Bytes content = noise(random, bytes);
        const Bytes frame = compress::stored_frame(codec, content);
        tests.expect(frame.size() == compress::stored_frame(codec, Bytes(bytes)).size());
        tests.expect(gives_back(codec, frame, content));
        tests.expect(std::search(frame.begin(), frame.end(), content.begin(), content.end()) != frame.end());
      }
    }
  });
}

void small_rooms(Tests& tests) {
  tests.run("a room that is too small for a frame is said, not written over", [&] {
    std::mt19937 random(9);
    for (const Codec codec : kCodecs) {
      const Bytes content = noise(random, 20'000);
      Bytes to(10'000);
      const auto bytes = compress::open_compressor(codec, 1).value()->frame(content, to);
      tests.expect(!bytes.ok() && bytes.error().number == ENOBUFS);
    }
  });
}

}  // namespace

void test_compress(Tests& tests) {
  for (const Codec codec : kCodecs) {
    if (compress::open_compressor(codec, 1).ok()) continue;
    tests.skip("compression", "a library is missing: libzstd1, liblz4-1 or zlib1g");
    return;
  }
  round_trips(tests);
  reuse(tests);
  damage(tests);
  stored(tests);
  small_rooms(tests);
}

}  // namespace frazil
