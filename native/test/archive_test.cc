// Archives as they are written: whatever the codec, the way of the payload and the store, the stream is the same, and the seek table
// leads to every frame of it.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "archive/archive.h"
#include "compress/codec.h"
#include "core/thread.h"
#include "sys/full_io.h"
#include "sys/pipe.h"
#include "test/page_client.h"
#include "test/tests.h"

namespace frazil {
namespace {

using archive::Archive;
using archive::Compression;
using archive::kFrameBytes;
using archive::kHeadBytes;
using archive::OutputForm;
using compress::Codec;
using page::Bytes;
using page::FakeCriu;
using page::HeaderForm;
using page::kPageSize;
using page::Way;

constexpr uint64_t kBase = 0x7f0000000000;

enum class Store { direct, absorbing, spilling, half };

struct Variant {
  const char* title;
  std::optional<Codec> codec;
  Store store;
  Way way;
};

constexpr Variant kVariants[] = {
    {"plain, straight to the file", std::nullopt, Store::direct, Way::splice},
    {"plain, straight to the file, pages in odd pieces", std::nullopt, Store::direct, Way::odd_writes},
    {"plain, absorbed", std::nullopt, Store::absorbing, Way::splice},
    {"zstd, straight to the file", Codec::zstd, Store::direct, Way::splice},
    {"zstd, straight to the file, pages in odd pieces", Codec::zstd, Store::direct, Way::odd_writes},
    {"zstd, straight to the file, page by page", Codec::zstd, Store::direct, Way::slow},
    {"zstd, absorbed", Codec::zstd, Store::absorbing, Way::splice},
    {"lz4, straight to the file", Codec::lz4, Store::direct, Way::splice},
    {"lz4, over a file", Codec::lz4, Store::spilling, Way::splice},
    {"lz4, half over a file", Codec::lz4, Store::half, Way::write},
};

// One archive that is being made, and what makes it.
struct Making {
  Making(UniqueFd output, OutputForm form, std::optional<Codec> codec, Store store) {
    std::optional<Compression> compression;
    if (codec) compression = Compression{*codec, 1, 2};
    made = Archive::open(std::move(output), form, compression, false, counters).value();
    const UniqueFd spill = temp.folder("spill");
    auto opened = store == Store::direct ? made->direct_store(3)
                                         : made->absorbing_store(page::duplicate(spill.get()), 3, budget_of(store));
    sink = page::Sink::over(std::move(opened).value(), temp.folder("pagemaps"), UniqueFd(), {3, 1}, counters).value();
  }

  static uint64_t budget_of(Store store) {
    if (store == Store::spilling) return 0;
    return store == Store::half ? uint64_t{3} << 20 : UINT64_MAX;
  }

  template <typename Talk>
  std::optional<page::Failure> serve(Way way, Talk talk) {
    SocketPair pair = stream_pair(size_t{8} << 20).value();
    std::optional<page::Failure> failure;
    auto body = [&]() noexcept {
      failure = sink->serve(pair.first.get(), cancel);
      pair.first.reset();
    };
    Thread thread = Thread::spawn("server", body).value();
    FakeCriu client(pair.second.get(), HeaderForm::wide, way);
    talk(client);
    pair.second.reset();
    thread.join();
    return failure;
  }

  // All that follows the pages.
  Result<void> finish(const Bytes& rest) {
    std::vector<archive::Bytes> heads;
    for (size_t i = 0; i <= made->members().images().size(); ++i) heads.push_back(head_of(i));
    if (auto set = made->set_heads(heads); !set.ok()) return set;
    if (auto settled = sink->settle(cancel); !settled.ok()) return settled;
    const UniqueFd files = temp.folder("files");
    const UniqueFd file(::openat(files.get(), "small", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (auto written = write_full(file.get(), rest.data(), rest.size()); !written.ok()) return written;
    const archive::Addition additions[] = {{Bytes(512, std::byte{'h'}), "small", rest.size()}, {Bytes(1024), "", 0}};
    if (auto appended = made->append(files.get(), additions, cancel); !appended.ok()) return appended;
    return made->finish(true, cancel);
  }

  static Bytes head_of(size_t number) { return Bytes(kHeadBytes, static_cast<std::byte>('A' + number)); }

  page::TempDir temp;
  std::shared_ptr<page::Counters> counters = std::make_shared<page::Counters>();
  std::unique_ptr<Archive> made;
  std::unique_ptr<page::Sink> sink;  // goes first
  Cancel cancel = Cancel::open().value();
};

// Images whose lengths are about those of frames: shorter, none at all, exact, longer; with zeros in them.
std::vector<Bytes> images_of(std::mt19937& random) {
  constexpr size_t kFramePages = kFrameBytes / kPageSize;
  std::vector<Bytes> images;
  for (const size_t pages : {size_t{3}, size_t{0}, kFramePages, 2 * kFramePages + 1, 9 * kFramePages - 1, size_t{1}}) {
    Bytes image = page::random_pages(random, pages);
    if (pages > kFramePages) std::fill_n(image.begin() + kPageSize, kFrameBytes, std::byte{0});
    images.push_back(std::move(image));
  }
  return images;
}

void send(Tests& tests, FakeCriu& client, const std::vector<Bytes>& images) {
  for (size_t i = 0; i < images.size(); ++i) {
    tests.expect(client.open2(page::task_id(10 + i)) == false);
    if (!images[i].empty()) tests.expect(client.pages(kBase, images[i]));
  }
  tests.expect(client.close() == 0);
}

Bytes stream_of(const std::vector<Bytes>& images, const Bytes& rest) {
  Bytes stream = Making::head_of(0);
  for (size_t i = 0; i < images.size(); ++i) {
    const Bytes head = Making::head_of(i + 1);
    stream.insert(stream.end(), head.begin(), head.end());
    stream.insert(stream.end(), images[i].begin(), images[i].end());
  }
  stream.insert(stream.end(), 512, std::byte{'h'});
  stream.insert(stream.end(), rest.begin(), rest.end());
  stream.insert(stream.end(), (512 - rest.size() % 512) % 512 + 1024, std::byte{0});
  return stream;
}

uint32_t number_at(const Bytes& file, size_t at) {
  uint32_t number;
  std::memcpy(&number, file.data() + at, sizeof number);
  return number;
}

// By the seek table alone; empty when it does not agree with the file.
Bytes decompressed(const Bytes& file, Codec codec) {
  auto decompressor = compress::open_decompressor(codec).value();
  const uint32_t frames = number_at(file, file.size() - 9);
  const size_t table = file.size() - 17 - size_t{8} * frames;
  if (number_at(file, table) != 0x184d2a5e || number_at(file, table + 4) != 8 * frames + 9) return {};
  Bytes stream;
  size_t at = 0;
  for (uint32_t i = 0; i < frames; ++i) {
    const uint32_t packed = number_at(file, table + 8 + size_t{8} * i);
    Bytes part(number_at(file, table + 12 + size_t{8} * i));
    const auto got = decompressor->frame(std::span(file).subspan(at, packed), part);
    if (!got.ok() || got.value() != part.size() || part.size() > kFrameBytes) return {};
    stream.insert(stream.end(), part.begin(), part.end());
    at += packed;
  }
  return at == table ? stream : Bytes();
}

UniqueFd new_file(const page::TempDir& temp) {
  return UniqueFd(::openat(temp.folder("o").get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

Bytes content_of(int file) {
  Bytes bytes(static_cast<size_t>(::lseek(file, 0, SEEK_END)));
  (void)pread_full(file, bytes.data(), bytes.size(), 0);
  return bytes;
}

void test_files(Tests& tests) {
  for (const Variant& variant : kVariants) {
    tests.run(variant.title, [&] {
      std::mt19937 random(3);
      const auto images = images_of(random);
      const Bytes rest = page::random_pages(random, 90);
      const page::TempDir temp;
      const UniqueFd file = new_file(temp);
      Making making(page::duplicate(file.get()), OutputForm::file, variant.codec, variant.store);
      tests.expect(!making.serve(variant.way, [&](FakeCriu& client) { send(tests, client, images); }));
      tests.expect(making.finish(rest).ok());
      const Bytes found = content_of(file.get());
      tests.expect(found.size() == making.made->bytes());
      tests.expect((variant.codec ? decompressed(found, *variant.codec) : found) == stream_of(images, rest));
      tests.expect(making.counters->zero_pages >= 2 * kFrameBytes / kPageSize);
      const bool spilled = making.counters->bytes_spilled > 0;
      tests.expect(spilled == (variant.store == Store::spilling || variant.store == Store::half));
    });
  }
}

// A reader that takes its time; the pipe is in blocking mode, as a shell's is.
void test_streams(Tests& tests) {
  for (const std::optional<Codec> codec : {std::optional<Codec>(), std::optional(Codec::zstd)}) {
    tests.run("a pipe gets the same, in order", [&] {
      std::mt19937 random(4);
      const auto images = images_of(random);
      Pipe pipe = open_pipe(0).value();
      Bytes found;
      auto read_all = [&]() noexcept {
        Bytes piece(10'000);
        for (ssize_t n; (n = ::read(pipe.read.get(), piece.data(), piece.size())) > 0;)
          found.insert(found.end(), piece.begin(), piece.begin() + n);
      };
      Thread reader = Thread::spawn("reader", read_all).value();
      {
        Making making(std::move(pipe.write), OutputForm::stream, codec, Store::absorbing);
        tests.expect(!making.serve(Way::splice, [&](FakeCriu& client) { send(tests, client, images); }));
        tests.expect(making.finish(Bytes(100)).ok());
      }
      reader.join();
      tests.expect((codec ? decompressed(found, *codec) : found) == stream_of(images, Bytes(100)));
    });
  }
  tests.run("a stream has no place for pages that come straight", [&] {
    Pipe pipe = open_pipe(0).value();
    auto counters = std::make_shared<page::Counters>();
    auto made = Archive::open(std::move(pipe.write), OutputForm::stream, std::nullopt, false, counters).value();
    tests.expect(!made->direct_store(1).ok());
  });
}

void test_ends(Tests& tests) {
  tests.run("a pipe that nobody reads is waited for until the cancel", [&] {
    std::mt19937 random(5);
    Pipe pipe = open_pipe(0).value();
    Making making(std::move(pipe.write), OutputForm::stream, Codec::lz4, Store::absorbing);
    tests.expect(!making.serve(Way::splice, [&](FakeCriu& client) { send(tests, client, images_of(random)); }));
    auto later = [&]() noexcept {
      (void)::usleep(50'000);
      making.cancel.signal();
    };
    Thread thread = Thread::spawn("later", later).value();
    const auto finished = making.finish({});
    tests.expect(!finished.ok() && finished.error().number == ECANCELED);
  });
  tests.run("a pipe whose reader has gone", [&] {
    std::mt19937 random(6);
    Pipe pipe = open_pipe(0).value();
    Making making(std::move(pipe.write), OutputForm::stream, Codec::zstd, Store::absorbing);
    tests.expect(!making.serve(Way::splice, [&](FakeCriu& client) { send(tests, client, images_of(random)); }));
    pipe.read.reset();
    const auto finished = making.finish({});
    tests.expect(!finished.ok() && finished.error().number == EPIPE);
  });
  tests.run("heads that are others than the images are refused", [&] {
    const page::TempDir temp;
    Making making(new_file(temp), OutputForm::file, std::nullopt, Store::direct);
    tests.expect(!making.made->set_heads({}).ok() && !making.made->set_heads({Bytes(512)}).ok());
  });
}

// Nothing may wait for what never comes.
void test_failures(Tests& tests) {
  for (const std::optional<Codec> codec : {std::optional<Codec>(), std::optional(Codec::zstd)}) {
    for (const Store store : {Store::direct, Store::absorbing}) {
      const UniqueFd small = page::open_limited_tmpfs(size_t{2} << 20);
      if (!small) {
        tests.skip("a full disk", "needs CAP_SYS_ADMIN");
        continue;
      }
      tests.run("a disk that is full in the middle of the pages, or after them", [&] {
        std::mt19937 random(7);
        UniqueFd file(::openat(small.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
        Making making(std::move(file), OutputForm::file, codec, store);
        const Bytes pages = page::random_pages(random, 2000);
        const auto failure = making.serve(Way::splice, [&](FakeCriu& client) {
          (void)client.open2(page::task_id(1));
          (void)client.pages(kBase, pages);
          (void)client.close();
        });
        if (failure) return tests.expect(failure->error.number == ENOSPC);
        const auto finished = making.finish({});
        tests.expect(!finished.ok() && finished.error().number == ENOSPC);
      });
    }
    tests.run("a client that dies in the middle of a frame", [&] {
      std::mt19937 random(8);
      const page::TempDir temp;
      Making making(new_file(temp), OutputForm::file, codec, Store::direct);
      const auto failure = making.serve(Way::splice, [&](FakeCriu& client) {
        (void)client.open2(page::task_id(1));
        (void)client.run(page::kPresent, kBase, 5000);
        (void)client.payload(page::random_pages(random, 1234));
      });
      tests.expect(failure && failure->fault == page::Fault::hung_up);
    });
  }
}

}  // namespace

void test_archive(Tests& tests) {
  // As on the addon's own threads, where all signals are blocked.
  (void)::signal(SIGPIPE, SIG_IGN);
  test_files(tests);
  test_streams(tests);
  test_ends(tests);
  test_failures(tests);
}

}  // namespace frazil
