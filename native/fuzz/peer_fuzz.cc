// libFuzzer target: both ends of a conversation in which pages are asked for, over any bytes. First byte: which end is ours. As the source it asks
// for two runs, and whatever the peer says, only pages that were asked for are delivered. As the feeder it answers nothing but pages that are
// lazy in its images.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "page/directory_source.h"
#include "page/image_file.h"
#include "page/page_feeder.h"
#include "page/peer_source.h"
#include "sys/private_tmpfs.h"
#include "sys/socket_pair.h"

namespace {

using namespace frazil;
using namespace frazil::page;

constexpr ImageId kTask{ImageId::Kind::task, 1};
constexpr uint64_t kFirst = 0x10000;
constexpr uint64_t kPages = 8;

UniqueFd make_images() {
  UniqueFd directory = open_private_tmpfs(PageBacking::small).value();
  PagemapWriter map(1);
  if (!map.append({kFirst, kPages, kPresent | kLazy}) || !map.append({kFirst + kPages * kPageSize, kPages, kPresent}))
    std::abort();
  if (!map.write(directory.get(), kTask).ok()) std::abort();
  const UniqueFd pages = create_image_file(directory.get(), "pages-1.img", O_RDWR).value();
  if (::ftruncate(pages.get(), 2 * kPages * kPageSize) != 0) std::abort();
  return directory;
}

UniqueFd copy_of(const UniqueFd& fd) { return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)); }

class Watch final : public Taker {
 public:
  Result<void> take(const Arrival& arrival) noexcept override {
    const uint64_t end = arrival.vaddr + arrival.pages * kPageSize;
    if (arrival.image != kTask || arrival.vaddr < kFirst || end > kFirst + kPages * kPageSize) std::abort();
    return {};
  }
  void lose(const SourceFailure& failure) noexcept override {
    if (failure.error.number == 0 || failure.image != kTask) std::abort();
  }
};

void as_source(UniqueFd socket, const UniqueFd& images) {
  auto source = PeerSource::open(std::move(socket), copy_of(images));
  if (!source.ok()) return;
  Watch watch;
  Cancel stop = Cancel::open().value();
  if (!source.value()->begin(watch, stop).ok()) std::abort();
  (void)source.value()->fetch({kTask, kFirst + 4 * kPageSize, 1, Urgency::urgent}, watch);
  (void)source.value()->fetch({kTask, kFirst, kPages, Urgency::urgent}, watch);
  // All that the peer says lies in the socket, and then its end.
  for (;;) {
    const auto failure = source.value()->fetch({kTask, kFirst, kPages, Urgency::background}, watch);
    if (failure) break;
  }
  stop.signal();
  (void)source.value()->finish();
}

void as_feeder(const UniqueFd& socket, const UniqueFd& images) {
  DirectorySource source(copy_of(images));
  FeedCounters counters;
  const Cancel cancel = Cancel::open().value();
  const auto failure = PageFeeder(source, counters).serve(socket.get(), cancel);
  if (failure && failure->fault == FeedFault::source) std::abort();
  if (counters.bytes > counters.requests * kPages * kPageSize) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const UniqueFd images = make_images();
  if (size == 0 || size > 200'000) return 0;
  SocketPair pair = stream_pair(size_t{4} << 20).value();
  (void)::send(pair.second.get(), bytes + 1, size - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)::shutdown(pair.second.get(), SHUT_WR);
  if ((bytes[0] & 1) != 0)
    as_source(std::move(pair.first), images);
  else
    as_feeder(pair.first, images);
  return 0;
}
