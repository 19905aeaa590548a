#include "page/page_diff.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "page/zero_scan.h"

namespace frazil::page {
namespace {

// Both pieces and what they are compared with stay in a processor's cache.
constexpr uint64_t kPiecePages = 32;
constexpr uint64_t kNever = UINT64_MAX;

struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const Identity&) const = default;
};

// The pages files of an image, known by what they are and not by the path that led there.
std::vector<Identity> identify(const StoredImage* image) {
  std::vector<Identity> out(image == nullptr ? 0 : image->depth());
  for (uint32_t level = 0; level < out.size(); ++level) {
    struct stat status;
    if (image->file(level) != -1 && ::fstat(image->file(level), &status) == 0)
      out[level] = {status.st_dev, status.st_ino};
  }
  return out;
}

// Goes through the stored runs of one side in steps of any length.
class Side {
 public:
  explicit Side(const StoredImage* image) noexcept : image_(image), files_(identify(image)) { settle(); }

  // Where its next stored page is, from `at` on.
  uint64_t begin(uint64_t at) const noexcept { return run_ == nullptr ? kNever : std::max(at, run_->vaddr); }
  uint64_t end() const noexcept { return run_ == nullptr ? kNever : run_->end(); }
  void pass(uint64_t at) noexcept {
    while (run_ != nullptr && run_->end() <= at) {
      ++index_;
      settle();
    }
  }
  std::optional<ImageFault> read(uint64_t at, void* to, size_t bytes) const noexcept {
    return image_->read(*run_, at - run_->vaddr, to, bytes);
  }
  bool same_place(const Side& other, uint64_t at) const noexcept {
    const Identity& mine = files_[run_->level];
    return mine == other.files_[other.run_->level] && mine != Identity{} &&
           run_->offset + (at - run_->vaddr) == other.run_->offset + (at - other.run_->vaddr);
  }

 private:
  void settle() noexcept {
    run_ = nullptr;
    for (; image_ != nullptr && index_ < image_->runs().size(); ++index_) {
      if (!image_->runs()[index_].stored()) continue;
      run_ = &image_->runs()[index_];
      return;
    }
  }

  const StoredImage* image_;
  std::vector<Identity> files_;
  size_t index_ = 0;
  const StoredRun* run_ = nullptr;
};

class Differ {
 public:
  Differ(const StoredImage* first, const StoredImage* second, DiffCounters& counters, const Cancel& cancel,
         ImageDiff* diff) noexcept
      : first_(first), second_(second), counters_(counters), cancel_(cancel), diff_(diff) {}

  std::optional<ImageFault> run() {
    for (uint64_t at = 0;;) {
      if (cancel_.cancelled()) return ImageFault{.flaw = Flaw::system, .error = {ECANCELED, "pread"}};
      first_.pass(at);
      second_.pass(at);
      const uint64_t a = first_.begin(at);
      const uint64_t b = second_.begin(at);
      if (a == kNever && b == kNever) return {};
      at = std::min(a, b);
      uint64_t end;
      if (a == b) {
        end = std::min(first_.end(), second_.end());
        if (auto fault = both(at, &end)) return fault;
      } else {
        end = a < b ? std::min(first_.end(), b) : std::min(second_.end(), a);
        add(at, (end - at) / kPageSize, a < b ? Change::only_first : Change::only_second);
      }
      at = end;
    }
  }

 private:
  // Up to `*end`, which becomes where it stopped.
  std::optional<ImageFault> both(uint64_t at, uint64_t* end) {
    if (first_.same_place(second_, at)) {
      add(at, (*end - at) / kPageSize, Change::same);
      return {};
    }
    *end = std::min(*end, at + kPiecePages * kPageSize);
    const size_t bytes = *end - at;
    if (auto fault = first_.read(at, old_, bytes)) return fault;
    if (auto fault = second_.read(at, now_, bytes)) return fault;
    counters_.bytes_read.fetch_add(2 * bytes, std::memory_order_relaxed);
    for (size_t i = 0; i < bytes; i += kPageSize) add(at + i, 1, compare(old_ + i, now_ + i));
    return {};
  }

  static Change compare(const std::byte* old, const std::byte* now) {
    const bool cleared = first_run({now, kPageSize}).zero;
    if (std::memcmp(old, now, kPageSize) == 0) return cleared ? Change::zero : Change::same;
    return cleared ? Change::cleared : Change::changed;
  }

  void add(uint64_t vaddr, uint64_t pages, Change change) {
    counters_.pages.fetch_add(pages, std::memory_order_relaxed);
    auto& runs = diff_->runs;
    if (!runs.empty() && runs.back().change == change && runs.back().vaddr + runs.back().pages * kPageSize == vaddr) {
      runs.back().pages += pages;
    } else {
      runs.push_back({vaddr, pages, change});
    }
  }

  Side first_;
  Side second_;
  DiffCounters& counters_;
  const Cancel& cancel_;
  ImageDiff* diff_;
  alignas(64) std::byte old_[kPiecePages * kPageSize];
  alignas(64) std::byte now_[kPiecePages * kPageSize];
};

}  // namespace

std::optional<ImageFault> diff_images(const StoredImage* first, const StoredImage* second, DiffCounters& counters,
                                      const Cancel& cancel, ImageDiff* diff) noexcept {
  return Differ(first, second, counters, cancel, diff).run();
}

}  // namespace frazil::page
