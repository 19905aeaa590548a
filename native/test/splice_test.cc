#include "sys/splice.h"

#include <vector>

#include "core/thread.h"
#include "sys/memfd.h"
#include "sys/pipe.h"
#include "sys/socket_pair.h"
#include "sys/wait_for.h"
#include "test/tests.h"

namespace frazil {
namespace {

constexpr size_t kPage = 4096;

std::vector<char> read_all(int fd, size_t bytes) {
  std::vector<char> found(bytes);
  found.resize(static_cast<size_t>(std::max<ssize_t>(0, ::pread(fd, found.data(), bytes, 0))));
  return found;
}

void test_ends(Tests& tests) {
  tests.run("splice_bytes() says EAGAIN when there is nothing yet and 0 when every writer has closed", [&] {
    Pipe from = open_pipe(0).value();
    const Pipe to = open_pipe(0).value();
    tests.expect(splice_bytes(from.read.get(), to.write.get(), nullptr, kPage).error().number == EAGAIN);
    from.write.reset();
    tests.expect(splice_bytes(from.read.get(), to.write.get(), nullptr, kPage).value() == 0);
  });
  tests.run("open_pipe() gives the capacity asked for, within the limit", [&] {
    const Pipe pipe = open_pipe(size_t{256} << 10).value();
    tests.expect(::fcntl(pipe.read.get(), F_GETPIPE_SZ) == 256 << 10);
  });
}

void test_copies(Tests& tests) {
  tests.run("tee_bytes() leaves the source full, vmsplice_bytes() puts our memory into a pipe", [&] {
    const Pipe first = open_pipe(0).value();
    const Pipe second = open_pipe(0).value();
    const std::vector<char> page(kPage, 'x');
    tests.expect(vmsplice_bytes(first.write.get(), page.data(), page.size()).value() == kPage);
    tests.expect(tee_bytes(first.read.get(), second.write.get(), kPage).value() == kPage);
    std::vector<char> got(kPage);
    tests.expect(::read(second.read.get(), got.data(), kPage) == static_cast<ssize_t>(kPage) && got == page);
    tests.expect(::read(first.read.get(), got.data(), kPage) == static_cast<ssize_t>(kPage) && got == page);
  });
}

// The way of a page: a stream socket, a pipe, a file at an offset of ours.
void test_way_of_a_page(Tests& tests) {
  tests.run("a megabyte goes from a socket through a pipe into a file at an offset", [&] {
    constexpr size_t kTotal = size_t{1} << 20;
    const Cancel cancel = Cancel::open().value();
    const SocketPair pair = stream_pair(0).value();
    const Pipe pipe = open_pipe(0).value();
    const UniqueFd file = open_memfd("pages").value();
    std::vector<char> sent(kTotal);
    for (size_t i = 0; i < kTotal; ++i) sent[i] = static_cast<char>(i * 7 >> 5);
    auto writer = [&]() noexcept {
      size_t done = 0;
      while (done < kTotal) done += static_cast<size_t>(::write(pair.first.get(), &sent[done], kTotal - done));
    };
    const Thread thread = Thread::spawn("writer", writer).value();
    loff_t offset = kPage;
    while (offset < static_cast<loff_t>(kTotal + kPage)) {
      tests.expect(wait_for(pair.second.get(), POLLIN, cancel).ok());
      const auto in = splice_bytes(pair.second.get(), pipe.write.get(), nullptr, kPage * 16);
      if (!in.ok()) continue;
      for (size_t left = in.value(); left > 0;) {
        left -= splice_bytes(pipe.read.get(), file.get(), &offset, left).value();
      }
    }
    const auto found = read_all(file.get(), kTotal + kPage);
    tests.expect(found.size() == kTotal + kPage && std::equal(sent.begin(), sent.end(), found.begin() + kPage));
  });
}

}  // namespace

void test_splice(Tests& tests) {
  test_ends(tests);
  test_copies(tests);
  test_way_of_a_page(tests);
}

}  // namespace frazil
