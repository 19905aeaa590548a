#include "page/memory_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "core/thread.h"
#include "page/image_file.h"
#include "page/zero_scan.h"
#include "sys/full_io.h"
#include "sys/private_tmpfs.h"
#include "sys/splice.h"

namespace frazil::page {
namespace {

// How much of a stripe is mapped at a time: bounds both our resident set and how long a cancel waits.
constexpr uint64_t kWindow = uint64_t{16} << 20;

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

// Finds and clears the pages of a stripe now. The first touch of memory that a hypervisor has not backed yet runs at 0.3 GB/s; inside
// the freeze that would be most of it. A thread for each stripe, because most of that time is spent waiting for the hypervisor.
struct Toucher {
  int file;
  uint64_t bytes;
  const Cancel* cancel;
  Counters* counters;
  Result<void> outcome;
  Thread thread;

  void operator()() noexcept {
    if (::ftruncate(file, static_cast<off_t>(bytes)) == -1) outcome = SysError{errno, "ftruncate"};
    for (uint64_t at = 0; at < bytes && outcome.ok(); at += kWindow) outcome = touch(at, std::min(kWindow, bytes - at));
  }

  Result<void> touch(uint64_t from, uint64_t length) noexcept {
    if (cancel->cancelled()) return SysError{ECANCELED, "madvise"};
    const Mapping view(file, from, length, PROT_READ | PROT_WRITE);
    if (!view.ok()) return SysError{errno, "mmap"};
    // Before Linux 5.14 EINVAL: the pages come when they are needed, only slower.
    if (::madvise(view.get(), length, MADV_POPULATE_WRITE) == -1 && errno != EINVAL) return SysError{errno, "madvise"};
    counters->add(&Counters::bytes_prepared, length);
    return {};
  }
};

}  // namespace

MemoryStore::MemoryStore(int directory, unsigned workers, Counters& counters) noexcept
    : directory_(directory), workers_(workers), counters_(counters), stripes_(workers) {}

Result<void> MemoryStore::open_stripes() noexcept {
  if (root_) return {};
  auto root = open_private_tmpfs(PageBacking::huge);
  if (!root.ok()) return root.error();
  root_ = std::move(root).value();
  for (Stripe& stripe : stripes_) {
    stripe.file = UniqueFd(::openat(root_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!stripe.file) return SysError{errno, "openat"};
  }
  return {};
}

Result<void> MemoryStore::prepare(uint64_t expected_bytes, const Cancel& cancel) noexcept {
  if (auto opened = open_stripes(); !opened.ok()) return opened;
  std::vector<Toucher> touchers;
  touchers.reserve(workers_);  // the threads hold pointers to the elements
  for (Stripe& stripe : stripes_) {
    touchers.push_back({stripe.file.get(), share_of(expected_bytes, workers_), &cancel, &counters_, {}, {}});
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

Result<void> MemoryStore::open(Image& image) noexcept {
  if (auto opened = open_stripes(); !opened.ok()) return opened;
  images_.push_back(&image);
  return {};
}

// No fd of an image is open before settle().
Result<void> MemoryStore::rest() noexcept { return {}; }

Result<void> MemoryStore::put(unsigned worker, const Payload& payload, Image& image) noexcept {
  Stripe& stripe = stripes_[worker];
  auto to = static_cast<loff_t>(stripe.used);
  for (size_t left = payload.piped; left > 0;) {
    const auto moved = splice_bytes(payload.pipe, stripe.file.get(), &to, left);
    if (!moved.ok()) return moved.error();
    if (moved.value() == 0) return SysError{EPIPE, "splice"};
    left -= moved.value();
  }
  const auto& rest = payload.rest;
  if (auto written = pwrite_full(stripe.file.get(), rest.data(), rest.size(), stripe.used + payload.piped);
      !written.ok()) {
    return written;
  }
  note(stripe, payload, image);
  counters_.add(&Counters::bytes_absorbed, payload.bytes());
  return {};
}

// A peer that is slower than we are is taken page by page: without joining, the notes would be a hundredth of what they are about.
void MemoryStore::note(Stripe& stripe, const Payload& payload, Image& image) noexcept {
  const uint64_t bytes = payload.bytes();
  Piece* last = stripe.pieces.empty() ? nullptr : &stripe.pieces.back();
  if (last != nullptr && last->image == &image && last->offset + last->bytes == payload.offset) {
    last->bytes += bytes;
  } else {
    stripe.pieces.push_back({&image, payload.offset, bytes, stripe.used});
  }
  stripe.used += bytes;
}

// In the order of the stripes, not of the images: memory is given back as it is written, and a file does not mind being
// written in pieces of a mebibyte.
Result<void> MemoryStore::settle(const Cancel& cancel) noexcept {
  if (auto made = make_files(); !made.ok()) return made;
  for (Stripe& stripe : stripes_) {
    if (auto written = write_stripe(stripe, cancel); !written.ok()) return written;
    stripe = Stripe{};
  }
  images_.clear();
  root_.reset();
  return {};
}

// At their full length, so that what is not written into them are holes. One fd at a time: there may be thousands of images.
Result<void> MemoryStore::make_files() noexcept {
  for (const Image* image : images_) {
    const auto file = create_image_file(directory_, pages_name(image->map.pages_id()), O_RDWR);
    if (!file.ok()) return file.error();
    if (::ftruncate(file.value().get(), static_cast<off_t>(image->bytes)) == -1) return SysError{errno, "ftruncate"};
  }
  return {};
}

Result<void> MemoryStore::write_stripe(Stripe& stripe, const Cancel& cancel) noexcept {
  for (size_t i = 0; i < stripe.pieces.size();) {
    const Image* image = stripe.pieces[i].image;
    const auto file = reopen_image_file(directory_, pages_name(image->map.pages_id()));
    if (!file.ok()) return file.error();
    for (; i < stripe.pieces.size() && stripe.pieces[i].image == image; ++i) {
      const auto written = write_piece(stripe, stripe.pieces[i], cancel, file.value().get());
      if (!written.ok()) return written;
    }
    if (auto kept = check_written(file.value().get()); !kept.ok()) return kept;
  }
  return {};
}

Result<void> MemoryStore::write_piece(Stripe& stripe, const Piece& piece, const Cancel& cancel, int file) noexcept {
  for (uint64_t done = 0; done < piece.bytes;) {
    if (cancel.cancelled()) return SysError{ECANCELED, "pwrite"};
    const uint64_t at = piece.at + done;
    const uint64_t bytes = std::min(piece.bytes - done, kWindow - at % kWindow);
    {
      const Mapping view(stripe.file.get(), at, bytes, PROT_READ);
      if (!view.ok()) return SysError{errno, "mmap"};
      if (auto written = write_sparse(file, piece.offset + done, view.pages(), counters_); !written.ok())
        return written;
    }
    done += bytes;
    give_back(stripe, at + bytes);
  }
  return {};
}

// Only whole windows: punching part of a huge page makes the kernel clear that part and split the page.
void MemoryStore::give_back(Stripe& stripe, uint64_t done) noexcept {
  const uint64_t end = done / kWindow * kWindow;
  if (end == stripe.given_back) return;
  // A refusal is late memory, not lost data: the file goes when all is written.
  (void)::fallocate(stripe.file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(stripe.given_back), static_cast<off_t>(end - stripe.given_back));
  stripe.given_back = end;
}

}  // namespace frazil::page
