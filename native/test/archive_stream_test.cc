// The uncompressed stream of an archive, read anywhere: the same bytes from a plain file and from frames, and no bytes at all from what is
// damaged, cut short or changed.

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>

#include "archive/archive_pages.h"
#include "archive/frame_cache.h"
#include "archive/stream_file.h"
#include "core/thread.h"
#include "sys/full_io.h"
#include "sys/memfd.h"
#include "test/tests.h"

namespace frazil::archive {
namespace {

constexpr size_t kFrame = 5000;
constexpr size_t kBytes = 20 * kFrame + 1234;

using Bytes = std::vector<std::byte>;

Bytes some_bytes(unsigned seed) {
  std::mt19937 random(seed);
  Bytes bytes(kBytes);
  for (std::byte& one : bytes) one = static_cast<std::byte>(random() % 7);
  return bytes;
}

void put32(Bytes& to, uint64_t value) {
  for (int shift = 0; shift < 32; shift += 8) to.push_back(static_cast<std::byte>(value >> shift));
}

// Frames of kFrame bytes, then the seek table. Empty where the library is not.
Bytes pack(compress::Codec codec, const Bytes& stream) {
  auto compressor = compress::open_compressor(codec, 1);
  if (!compressor.ok()) return {};
  Bytes file;
  Bytes entries;
  for (size_t at = 0; at < stream.size(); at += kFrame) {
    const std::span part = std::span(stream).subspan(at, std::min(kFrame, stream.size() - at));
    Bytes frame(compress::frame_bound(part.size()));
    frame.resize(compressor.value()->frame(part, frame).value());
    file.insert(file.end(), frame.begin(), frame.end());
    put32(entries, frame.size());
    put32(entries, part.size());
  }
  put32(file, 0x184d2a5e);
  put32(file, entries.size() + 9);
  file.insert(file.end(), entries.begin(), entries.end());
  put32(file, entries.size() / 8);
  file.push_back(std::byte{0});
  put32(file, 0x8f92eab1);
  return file;
}

UniqueFd file_of(const Bytes& bytes) {
  UniqueFd file = open_memfd("archive").value();
  (void)write_full(file.get(), bytes.data(), bytes.size());
  return file;
}

void expect_same(Tests& tests, const Bytes& file, const Bytes& stream) {
  auto opened = StreamFile::open(file_of(file));
  tests.expect(opened.ok());
  if (!opened.ok()) return;
  tests.expect(opened.value()->bytes() == stream.size());
  std::mt19937 random(9);
  for (int i = 0; i < 300; ++i) {
    const size_t at = random() % stream.size();
    Bytes into(random() % std::min<size_t>(stream.size() - at + 1, 3 * kFrame));
    tests.expect(opened.value()->read(at, into).ok());
    tests.expect(std::equal(into.begin(), into.end(), stream.begin() + static_cast<ptrdiff_t>(at)));
  }
  Bytes beyond(2);
  const auto refused = opened.value()->read(stream.size() - 1, beyond);
  tests.expect(!refused.ok() && refused.error().number == ENODATA);
}

// What is read out of a damaged file is an error or right; nothing else, and no crash.
void expect_honest(Tests& tests, const Bytes& file, const Bytes& stream) {
  auto opened = StreamFile::open(file_of(file));
  if (!opened.ok() || opened.value()->bytes() != stream.size()) return;
  Bytes into(stream.size());
  if (opened.value()->read(0, into).ok()) tests.expect(into == stream);
}

int refusal_of(const Bytes& file) {
  const auto opened = StreamFile::open(file_of(file));
  return opened.ok() ? 0 : opened.error().number;
}

Bytes cut(const Bytes& file, size_t bytes) { return {file.begin(), file.end() - static_cast<ptrdiff_t>(bytes)}; }

void read_frames(Tests& tests, compress::Codec codec) {
  const Bytes stream = some_bytes(3);
  const Bytes file = pack(codec, stream);
  if (file.empty()) return tests.skip("reading frames of an archive", "the library of its compression is not here");
  tests.run("a stream is read anywhere out of its frames", [&] { expect_same(tests, file, stream); });
  tests.run("damaged frames and tables are refused, never read as something else", [&] {
    tests.expect(refusal_of(cut(file, 1)) == ENODATA);  // no table
    Bytes longer(file.size() + 1);                      // sums that are not the file's length
    std::copy(file.begin(), file.begin() + 4, longer.begin());
    std::copy(file.begin() + 4, file.end(), longer.begin() + 5);
    tests.expect(refusal_of(longer) == EBADMSG);
    std::mt19937 random(5);
    for (int i = 0; i < 400; ++i) {
      Bytes damaged = file;
      // The first four bytes tell the compression: what they make of it is a plain file.
      damaged[4 + random() % (damaged.size() - 4)] ^= static_cast<std::byte>(1 << random() % 8);
      expect_honest(tests, damaged, stream);
    }
  });
}

Result<FrameCache::Content> get(FrameCache& cache, uint64_t at, int* made) {
  return cache.get(at, kFrame, [&](Bytes& into) {
    ++*made;
    into[0] = static_cast<std::byte>(at);
    return Result<void>{};
  });
}

void keep_frames(Tests& tests) {
  FrameCache cache(3 * kFrame);
  int made = 0;
  // The first is asked for in between, so the second is the one that was not asked for for the longest time.
  for (const uint64_t at : {1, 2, 1, 3, 1, 4}) {
    const auto content = get(cache, at, &made);
    tests.expect(content.ok() && (*content.value())[0] == static_cast<std::byte>(at));
  }
  tests.expect(made == 4 && cache.bytes() == 3 * kFrame);
  tests.expect(cache.find(1) != nullptr && cache.find(2) == nullptr);
  const auto failed = cache.get(5, kFrame, [](Bytes&) { return Result<void>(SysError{EBADMSG, "frame"}); });
  tests.expect(!failed.ok() && failed.error().number == EBADMSG && cache.find(5) == nullptr);
  tests.expect(get(cache, 5, &made).ok() && made == 5);
}

void make_once(Tests& tests) {
  FrameCache cache(0);
  std::atomic<int> waiting{0};
  int made = 0;
  auto ask = [&]() noexcept {
    ++waiting;
    (void)cache.get(7, kFrame, [&](Bytes&) {
      ++made;
      while (waiting < 4) ::sched_yield();
      return Result<void>{};
    });
  };
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i) threads.push_back(Thread::spawn("asks", ask).value());
  }
  tests.expect(made == 1 && cache.bytes() == kFrame);
}

}  // namespace
}  // namespace frazil::archive

namespace frazil {

using namespace archive;

void test_archive_stream(Tests& tests) {
  read_frames(tests, compress::Codec::zstd);
  read_frames(tests, compress::Codec::lz4);
  tests.run("frames are kept as long as there is room, those asked for last", [&] { keep_frames(tests); });
  tests.run("a frame that many ask for at once is made once", [&] { make_once(tests); });
  tests.run("a plain file is its own stream; one that is written to is stale, gzip has no table", [&] {
    const Bytes stream = some_bytes(4);
    expect_same(tests, stream, stream);
    UniqueFd file = file_of(stream);
    const UniqueFd writer(::dup(file.get()));
    auto opened = StreamFile::open(std::move(file));
    const timespec times[2] = {{1, 0}, {1, 0}};
    tests.expect(::futimens(writer.get(), times) == 0);
    Bytes into(10);
    const auto refused = opened.value()->read(0, into);
    tests.expect(!refused.ok() && refused.error().number == ESTALE);
    tests.expect(refusal_of({std::byte{0x1f}, std::byte{0x8b}, std::byte{8}, std::byte{0}}) == ENODATA);
  });
  tests.run("places are lines of three numbers, or refused", [&] {
    const auto places_of = [](const char* text) {
      const auto* bytes = reinterpret_cast<const std::byte*>(text);
      return read_places(file_of(Bytes(bytes, bytes + std::strlen(text))).get());
    };
    const auto places = places_of("1 8192 4096\n7 16384 8192\n");
    tests.expect(places.ok() && places.value().size() == 2 && places.value().at(7).at == 16384);
    for (const char* wrong : {"1 8192\n", "1 8192 4096", "x 1 2\n", "1 2 3\n4", "99999999999 1 2\n"})
      tests.expect(!places_of(wrong).ok());
  });
}

}  // namespace frazil
