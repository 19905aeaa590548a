// libFuzzer target: the server's end of a page conversation over any bytes. First byte: which store, and whether there is a
// parent. The rest is what a peer says before it hangs up. Threads, pipes and files are real; only the disk is memory.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "page/image_file.h"
#include "page/sink.h"
#include "sys/private_tmpfs.h"
#include "sys/socket_pair.h"

namespace {

using namespace frazil;
using namespace frazil::page;

// A parent with pages 16..63 of task 1, so that holes can be found and not be found.
UniqueFd make_parent() {
  UniqueFd directory = open_private_tmpfs(PageBacking::small).value();
  PagemapWriter map(1);
  if (!map.append({16 * kPageSize, 48, kPresent}) || !map.write(directory.get(), {ImageId::Kind::task, 1}).ok())
    std::abort();
  const UniqueFd pages = create_image_file(directory.get(), "pages-1.img", O_RDWR).value();
  if (::ftruncate(pages.get(), 48 * kPageSize) != 0) std::abort();
  return directory;
}

// More than one socket buffer holds is cut: nobody reads while we write.
void say(int socket, const uint8_t* bytes, size_t size) {
  while (size > 0) {
    const ssize_t n = ::send(socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes += n;
    size -= static_cast<size_t>(n);
  }
}

void expect_whole(int directory, const Counters& counters) {
  if (counters.images > 0 && ::faccessat(directory, "pages-1.img", F_OK, 0) != 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const UniqueFd parent = make_parent();
  if (size == 0) return 0;
  const UniqueFd directory = open_private_tmpfs(PageBacking::small).value();
  SinkOptions options;
  options.store = (bytes[0] & 1) != 0 ? StoreKind::memory : StoreKind::directory;
  const auto counters = std::make_shared<Counters>();
  UniqueFd below = (bytes[0] & 2) != 0 ? UniqueFd(::fcntl(parent.get(), F_DUPFD_CLOEXEC, 0)) : UniqueFd();
  auto sink =
      Sink::open(UniqueFd(::fcntl(directory.get(), F_DUPFD_CLOEXEC, 0)), std::move(below), options, counters).value();
  SocketPair pair = stream_pair(size_t{4} << 20).value();
  say(pair.second.get(), bytes + 1, size - 1);
  // Not closed: an answer must find somebody, or a conversation would end at its first OPEN2.
  (void)::shutdown(pair.second.get(), SHUT_WR);
  const Cancel cancel = Cancel::open().value();
  const auto failure = sink->serve(pair.first.get(), cancel);
  if (failure && failure->fault == Fault::cancelled) std::abort();
  if (!failure) {
    if (!sink->settle(cancel).ok() || !sink->dedup().ok()) std::abort();
    expect_whole(directory.get(), *counters);
  }
  return 0;
}
