#pragma once

// Where the pages of a lazy restore come from: the counterpart of a sink. docs/design/lazy-restore.md has the whole picture.
//
// One interface for sources that have everything at hand (an images directory, an archive) and for those that must ask somebody
// (a peer). Pages are therefore not returned but delivered, to a Taker: by a local source before fetch() returns, on the calling
// thread; by a remote one later, on a thread of its own, in any order and also unasked, when the peer pushes. The alternative, a
// read() that blocks, would let one page on the wire hold up every fault behind it.
//
// Pages are named as in the images: by image and by the address they had when they were dumped. Where a task has moved them since
// (mremap), and who else has them by now (fork), is the Taker's business.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/cancel.h"
#include "core/result.h"
#include "page/pagemap.h"
#include "page/wire.h"

namespace frazil::page {

enum class Urgency : uint8_t { background, urgent };  // urgent: a task waits for the first of the pages

struct Want {
  ImageId image;
  uint64_t vaddr;
  uint64_t pages;
  Urgency urgency;
};

// Valid during take() only.
struct Arrival {
  ImageId image;
  uint64_t vaddr;
  uint64_t pages;
  const std::byte* bytes;  // nullptr: all zero
};

// What cannot be delivered, and why: `error.op` is the system call, or "pagemap", "digest", "protocol" where what was read is wrong.
struct SourceFailure {
  SysError error;
  ImageId image;
  uint64_t vaddr;
  uint32_t level = 0;  // of a chain: 1 is the parent
};

class Taker {
 public:
  // From any thread, from several at once. ECANCELED: nobody wants more.
  virtual Result<void> take(const Arrival& arrival) noexcept = 0;
  // The source is lost: what was wanted will not come. At most once, only from a remote source's own thread.
  virtual void lose(const SourceFailure& failure) noexcept = 0;

 protected:
  ~Taker() = default;
};

class Source {
 public:
  virtual ~Source() = default;

  // The runs of `image` that may come lazily (kLazy is set), sorted and disjoint; an image that it does not have has none, which is
  // ENOENT. Called before the first fetch() of the image; from any thread.
  virtual Result<std::vector<PagemapEntry>> lazy_runs(const ImageId& image) noexcept = 0;

  // Delivers the pages, which lie in one of lazy_runs(), in one or more pieces. Thread-safe. Nothing on success, which for a remote
  // source means that it has asked.
  virtual std::optional<SourceFailure> fetch(const Want& want, Taker& taker) noexcept = 0;

  // Remote: fetch() only asks, for nothing twice, and lets the background wait while enough is on its way. Its Taker gets nothing; what
  // comes goes to the one of begin().
  virtual bool remote() const noexcept { return false; }

  // Remote: what comes is delivered to `taker` from now on, on a thread of the source, until `stop`. Before the first fetch().
  virtual Result<void> begin(Taker& /*taker*/, const Cancel& /*stop*/) noexcept { return {}; }

  // How much of what was fetched had been decompressed before, for another page or another task.
  virtual uint64_t cached_bytes() const noexcept { return 0; }

  // Every page that is needed has been delivered, and `stop` has been signalled. A remote source closes its session, so that the peer may end.
  virtual Result<void> finish() noexcept { return {}; }
};

}  // namespace frazil::page
