#include "transfer/page_delta.h"

#include <cerrno>
#include <cstring>

namespace frazil::transfer {
namespace {

using page::kPageSize;

struct Run {
  uint16_t same;
  uint16_t different;
};
static_assert(sizeof(Run) == 4);

uint64_t word_at(ConstPage page, size_t at) noexcept {
  uint64_t word;
  std::memcpy(&word, page.data() + at, sizeof word);
  return word;
}

// The first byte from `at` on that differs.
size_t first_different(ConstPage a, ConstPage b, size_t at) noexcept {
  for (; at % sizeof(uint64_t) != 0; ++at) {
    if (a[at] != b[at]) return at;
  }
  while (at < kPageSize && word_at(a, at) == word_at(b, at)) at += sizeof(uint64_t);
  while (at < kPageSize && a[at] == b[at]) ++at;
  return at;
}

// Where a run of different bytes ends: so many in a row that are the same cost no more than to begin another one.
size_t end_of_different(ConstPage a, ConstPage b, size_t at) noexcept {
  size_t end = at + 1;
  for (size_t i = end; i < kPageSize && i - end <= sizeof(Run); ++i) {
    if (a[i] != b[i]) end = i + 1;
  }
  return end;
}

}  // namespace

size_t encode_delta(ConstPage before, ConstPage now, DeltaBytes into) noexcept {
  size_t size = 0;
  for (size_t at = 0;;) {
    const size_t from = first_different(before, now, at);
    if (from == kPageSize) return size;
    const size_t end = end_of_different(before, now, from);
    if (size + sizeof(Run) + (end - from) > kMaxDeltaBytes) return kMaxDeltaBytes + 1;
    const Run run{static_cast<uint16_t>(from - at), static_cast<uint16_t>(end - from)};
    std::memcpy(into.data() + size, &run, sizeof run);
    size += sizeof run;
    for (size_t i = from; i < end; ++i) into[size++] = before[i] ^ now[i];
    at = end;
  }
}

Result<void> apply_delta(std::span<const std::byte> delta, Page page) noexcept {
  size_t at = 0;
  while (!delta.empty()) {
    Run run;
    if (delta.size() < sizeof run) return SysError{EPROTO, "recv"};
    std::memcpy(&run, delta.data(), sizeof run);
    delta = delta.subspan(sizeof run);
    at += run.same;
    if (run.different == 0 || at + run.different > kPageSize || run.different > delta.size())
      return SysError{EPROTO, "recv"};
    for (size_t i = 0; i < run.different; ++i) page[at + i] ^= delta[i];
    at += run.different;
    delta = delta.subspan(run.different);
  }
  return {};
}

}  // namespace frazil::transfer
