#include "page/absorber.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "core/thread.h"
#include "page/payload.h"
#include "page/zeros.h"
#include "sys/full_io.h"
#include "sys/nameless_file.h"
#include "sys/private_tmpfs.h"

namespace frazil::page {
namespace {

// How much of a stripe is mapped at a time: bounds both our resident set and how long a cancel waits.
constexpr uint64_t kWindow = uint64_t{16} << 20;
// What is read at a time: fits a second-level cache, so that whoever looks at it next finds it there.
constexpr size_t kPiece = size_t{256} << 10;

// A view of part of a stripe. Nobody can cut the file short (it has no name), so reading it raises no SIGBUS.
class Mapping {
 public:
  Mapping(int file, uint64_t offset, uint64_t bytes, int protection) noexcept
      : bytes_(bytes), at_(::mmap(nullptr, bytes, protection, MAP_SHARED, file, static_cast<off_t>(offset))) {}
  ~Mapping() {
    if (ok()) (void)::munmap(at_, bytes_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  bool ok() const noexcept { return at_ != MAP_FAILED; }
  void* get() const noexcept { return at_; }
  std::span<const std::byte> pages() const noexcept { return {static_cast<const std::byte*>(at_), bytes_}; }

 private:
  uint64_t bytes_;
  void* at_;
};

// The threads take what comes, so one stripe may get more than its part; what was not touched is only slower.
uint64_t share_of(uint64_t expected_bytes, unsigned workers) noexcept {
  constexpr uint64_t kHugePage = uint64_t{2} << 20;
  const uint64_t share = (expected_bytes + expected_bytes / 4) / workers;
  return (share / kHugePage + 1) * kHugePage;
}

// A thread for each stripe: most of the time of finding memory is spent waiting, for the hypervisor.
struct Toucher {
  int file;
  uint64_t bytes;
  const Cancel* cancel;
  Counters* counters;
  Result<void> outcome;
  Thread thread;

  void operator()() noexcept { outcome = touch_huge_pages(file, bytes, *cancel, *counters); }
};

}  // namespace

Absorber::Absorber(const AbsorberOptions& options, Counters& counters) noexcept
    : options_(options), counters_(counters), stripes_(size_t{2} * options.workers) {}

Result<void> Absorber::open_stripes() noexcept {
  if (root_ || options_.memory_bytes == 0) return {};
  auto root = open_private_tmpfs(PageBacking::huge);
  if (!root.ok()) return root.error();
  root_ = std::move(root).value();
  for (Stripe& stripe : std::span(stripes_).first(options_.workers)) {
    stripe.file = UniqueFd(::openat(root_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!stripe.file) return SysError{errno, "openat"};
  }
  return {};
}

Result<void> Absorber::open_spill(Stripe& stripe) noexcept {
  if (options_.spill_directory == -1) return SysError{ENOMEM, "fallocate"};
  auto file = open_nameless(options_.spill_directory);
  if (!file.ok()) return file.error();
  stripe.file = std::move(file).value();
  return {};
}

Result<void> Absorber::prepare(uint64_t expected_bytes, const Cancel& cancel) noexcept {
  if (auto opened = open_stripes(); !opened.ok() || !root_) return opened;
  const uint64_t share = share_of(std::min(expected_bytes, options_.memory_bytes), options_.workers);
  std::vector<Toucher> touchers;
  touchers.reserve(options_.workers);  // the threads hold pointers to the elements
  for (Stripe& stripe : std::span(stripes_).first(options_.workers)) {
    touchers.push_back({stripe.file.get(), share, &cancel, &counters_, {}, {}});
    auto thread = Thread::spawn("frazil-touch", touchers.back());
    if (thread.ok()) {
      touchers.back().thread = std::move(thread).value();
    } else {
      touchers.back()();  // one after the other, then
    }
  }
  for (Toucher& toucher : touchers) toucher.thread.join();
  for (const Toucher& toucher : touchers) {
    if (!toucher.outcome.ok()) return toucher.outcome;
  }
  return {};
}

Result<void> Absorber::put(unsigned worker, const Payload& payload, Image& image) noexcept {
  const bool fits = stripes_[worker].used + payload.bytes() <= options_.memory_bytes / options_.workers;
  Stripe& stripe = stripes_[fits ? worker : options_.workers + worker];
  if (!fits && !stripe.file) {
    if (auto opened = open_spill(stripe); !opened.ok()) return opened;
  }
  if (auto written = write_payload(payload, stripe.file.get(), stripe.used); !written.ok()) return written;
  note(stripe, payload, image);
  counters_.add(fits ? &Counters::bytes_absorbed : &Counters::bytes_spilled, payload.bytes());
  return {};
}

// A peer that is slower than we are is taken page by page: without joining, the notes would be a hundredth of what they are about.
void Absorber::note(Stripe& stripe, const Payload& payload, Image& image) noexcept {
  const uint64_t bytes = payload.bytes();
  Piece* last = stripe.pieces.empty() ? nullptr : &stripe.pieces.back();
  if (last != nullptr && last->image == &image && last->offset + last->bytes == payload.offset) {
    last->bytes += bytes;
  } else {
    stripe.pieces.push_back({&image, payload.offset, bytes, stripe.used});
  }
  stripe.used += bytes;
}

Result<void> Absorber::drain(const Taker& taker, const Cancel& cancel) noexcept {
  for (Stripe& stripe : stripes_) {
    while (stripe.next < stripe.pieces.size()) {
      if (auto given = give_next(stripe, taker, cancel); !given.ok()) return given;
    }
    stripe = Stripe{};
  }
  root_.reset();
  return {};
}

// A copying thread takes its loads in the order in which they came, so the pieces of each stripe are in order. They are read, not mapped:
// each is a message of CRIU's, 1 MiB that begins anywhere, and such a mapping costs a fault for every few of its pages.
Result<void> Absorber::drain_image(const Image& image, const Taker& taker, const Cancel& cancel) noexcept {
  std::vector<std::byte> buffer(kPiece);
  for (uint64_t offset = 0; offset < image.bytes;) {
    Stripe* const stripe = holder_of(image, offset);
    if (stripe == nullptr) return SysError{EIO, "pread"};
    offset += stripe->pieces[stripe->next].bytes;
    if (auto given = read_next(*stripe, taker, buffer, cancel); !given.ok()) return given;
  }
  return {};
}

Result<void> Absorber::read_next(Stripe& stripe, const Taker& taker, std::span<std::byte> buffer,
                                 const Cancel& cancel) noexcept {
  const Piece& piece = stripe.pieces[stripe.next++];
  for (uint64_t done = 0; done < piece.bytes;) {
    if (cancel.cancelled()) return SysError{ECANCELED, "pread"};
    const auto part = buffer.first(std::min<uint64_t>(buffer.size(), piece.bytes - done));
    const auto got = pread_full(stripe.file.get(), part.data(), part.size(), piece.at + done);
    if (!got.ok()) return got.error();
    if (got.value() < part.size()) return SysError{EIO, "pread"};
    if (auto taken = taker(*piece.image, piece.offset + done, part); !taken.ok()) return taken;
    done += part.size();
  }
  give_back(stripe, piece.at + piece.bytes);
  return {};
}

void Absorber::release() noexcept {
  for (Stripe& stripe : stripes_) stripe = Stripe{};
  root_.reset();
}

Absorber::Stripe* Absorber::holder_of(const Image& image, uint64_t offset) noexcept {
  for (Stripe& stripe : stripes_) {
    if (stripe.next == stripe.pieces.size()) continue;
    const Piece& piece = stripe.pieces[stripe.next];
    if (piece.image == &image && piece.offset == offset) return &stripe;
  }
  return nullptr;
}

Result<void> Absorber::give_next(Stripe& stripe, const Taker& taker, const Cancel& cancel) noexcept {
  const Piece& piece = stripe.pieces[stripe.next++];
  for (uint64_t done = 0; done < piece.bytes;) {
    if (cancel.cancelled()) return SysError{ECANCELED, "mmap"};
    const uint64_t at = piece.at + done;
    const uint64_t bytes = std::min(piece.bytes - done, kWindow - at % kWindow);
    {
      const Mapping view(stripe.file.get(), at, bytes, PROT_READ);
      if (!view.ok()) return SysError{errno, "mmap"};
      if (auto taken = taker(*piece.image, piece.offset + done, view.pages()); !taken.ok()) return taken;
    }
    done += bytes;
    give_back(stripe, at + bytes);
  }
  return {};
}

// Only whole windows: punching part of a huge page makes the kernel clear that part and split the page.
void Absorber::give_back(Stripe& stripe, uint64_t done) noexcept {
  const uint64_t end = done / kWindow * kWindow;
  if (end == stripe.given_back) return;
  // A refusal is late memory, not lost data: the file goes when all is written.
  (void)::fallocate(stripe.file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(stripe.given_back), static_cast<off_t>(end - stripe.given_back));
  stripe.given_back = end;
}

}  // namespace frazil::page
