#include "page/zero_scan.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "page/wire.h"
#include "sys/full_io.h"
#include "sys/retry.h"

namespace frazil::page {
namespace {

// Most pages differ from zero in their first bytes, so the loop usually ends at once; four words a step let the compiler use
// vector registers for those that do not.
bool is_zero(const std::byte* page, size_t bytes = kPageSize) noexcept {
  for (size_t at = 0; at < bytes; at += 4 * sizeof(uint64_t)) {
    uint64_t words[4];
    std::memcpy(words, page + at, sizeof words);
    if ((words[0] | words[1] | words[2] | words[3]) != 0) return false;
  }
  return true;
}

template <typename OnZero, typename OnBytes>
Result<void> split(std::span<const std::byte> pages, Counters& counters, OnZero on_zero, OnBytes on_bytes) noexcept {
  counters.add(&Counters::bytes_user, pages.size());
  for (uint64_t at = 0; at < pages.size();) {
    const ZeroRun run = first_run(pages.subspan(at));
    const uint64_t bytes = run.pages * kPageSize;
    if (run.zero) counters.add(&Counters::zero_pages, run.pages);
    const Result<void> done = run.zero && run.pages >= kMinHolePages ? on_zero(at, bytes) : on_bytes(at, bytes);
    if (!done.ok()) return done;
    at += bytes;
  }
  return {};
}

}  // namespace

ZeroRun first_run(std::span<const std::byte> pages) noexcept {
  const size_t count = pages.size() / kPageSize;
  const bool zero = is_zero(pages.data());
  size_t run = 1;
  while (run < count && is_zero(pages.data() + run * kPageSize) == zero) ++run;
  return {run, zero};
}

Result<void> write_sparse(int file, uint64_t offset, std::span<const std::byte> pages, Counters& counters) noexcept {
  return split(
      pages, counters,
      [&](uint64_t, uint64_t bytes) -> Result<void> {
        counters.add(&Counters::sparse_pages, bytes / kPageSize);
        return {};
      },
      [&](uint64_t at, uint64_t bytes) -> Result<void> {
        counters.add(&Counters::bytes_out, bytes);
        return pwrite_full(file, pages.data() + at, bytes, offset + at);
      });
}

namespace {

void punch(int file, const ZeroStretch& run, Counters& counters) noexcept {
  if (run.pages < kMinHolePages) return;
  counters.add(&Counters::zero_pages, run.pages);
  // A file system that has no holes keeps the zeros: larger, never wrong.
  const int punched = retry_eintr([&] {
    return ::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(run.offset),
                       static_cast<off_t>(run.pages * kPageSize));
  });
  if (punched == 0) counters.add(&Counters::sparse_pages, run.pages);
}

// Most pages that are not zero show it in their first bytes. Reading those is three times as fast as reading the page, whose copy out of
// the page cache is what takes the time.
constexpr size_t kProbeBytes = 64;

Result<bool> is_zero_at(int file, uint64_t offset, Counters& counters) noexcept {
  std::byte page[kPageSize];
  for (const size_t bytes : {kProbeBytes, size_t{kPageSize}}) {
    const auto got = pread_full(file, page, bytes, offset);
    if (!got.ok()) return got.error();
    // Somebody has cut it, or replaced it: what CRIU handed over is not there.
    if (got.value() < bytes) return SysError{EIO, "pread"};
    counters.add(&Counters::bytes_user, bytes);
    if (!is_zero(page, bytes)) return false;
  }
  return true;
}

// The zero pages around one of them, from `begin` on and before `end`.
Result<ZeroStretch> stretch_around(int file, uint64_t zero, uint64_t begin, uint64_t end, Counters& counters) noexcept {
  const auto reaches = [&](uint64_t at) { return is_zero_at(file, at, counters); };
  uint64_t first = zero;
  while (first > begin) {
    const auto before = reaches(first - kPageSize);
    if (!before.ok()) return before.error();
    if (!before.value()) break;
    first -= kPageSize;
  }
  uint64_t last = zero + kPageSize;
  while (last < end) {
    const auto after = reaches(last);
    if (!after.ok()) return after.error();
    if (!after.value()) break;
    last += kPageSize;
  }
  return ZeroStretch{first, (last - first) / kPageSize};
}

}  // namespace

Result<void> find_zeros(int file, uint64_t from, uint64_t bytes, Counters& counters,
                        std::vector<ZeroStretch>* found) noexcept {
  constexpr uint64_t kStep = kMinHolePages * kPageSize;
  const uint64_t end = from + bytes;
  uint64_t seen = from;
  for (uint64_t at = from; at < end;) {
    const auto zero = is_zero_at(file, at, counters);
    if (!zero.ok()) return zero.error();
    if (zero.value()) {
      const auto stretch = stretch_around(file, at, seen, end, counters);
      if (!stretch.ok()) return stretch.error();
      found->push_back(stretch.value());
      at = seen = stretch.value().end();
    }
    // The last page as well: what begins there may go on behind it.
    const bool last = at + kPageSize >= end;
    at = last ? end : std::min(at + kStep, end - kPageSize);
  }
  return {};
}

Result<void> punch_zeros(int file, uint64_t bytes, std::vector<ZeroStretch>& found, Counters& counters) noexcept {
  // The first bytes of a page say nothing about its last.
  struct stat status;
  if (::fstat(file, &status) == -1) return SysError{errno, "fstat"};
  if (static_cast<uint64_t>(status.st_size) < bytes) return SysError{EIO, "pread"};
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
  for (size_t i = 0; i < found.size();) {
    ZeroStretch run = found[i];
    for (++i; i < found.size() && found[i].offset == run.end(); ++i) run.pages += found[i].pages;
    punch(file, run, counters);
  }
  return {};
}

}  // namespace frazil::page
