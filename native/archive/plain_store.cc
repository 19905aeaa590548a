#include "archive/plain_store.h"

#include <unistd.h>

#include <cerrno>

#include "page/payload.h"

namespace frazil::archive {

using page::Counters;

Result<void> PlainStore::open(page::Image& image) noexcept {
  members_.open(image);
  return {};
}

Result<void> PlainStore::put(unsigned worker, const page::Payload& payload, page::Image& image) noexcept {
  const uint64_t at = image.start + payload.offset;
  if (auto written = page::write_payload(payload, output_.file(), at); !written.ok()) return written;
  counters_.add(&Counters::bytes_out, payload.bytes());
  // While they are in the cache, as in page::DirectoryStore.
  return page::find_zeros(output_.file(), at, payload.bytes(), counters_, &zeros_[worker]);
}

Result<void> PlainStore::settle(const Cancel& cancel) noexcept {
  if (cancel.cancelled()) return SysError{ECANCELED, "fallocate"};
  // Images without pages leave room for their head behind the last byte that was written.
  if (::ftruncate(output_.file(), static_cast<off_t>(members_.end())) == -1) return SysError{errno, "ftruncate"};
  output_.skip_to(members_.end());
  std::vector<page::ZeroStretch> found;
  for (auto& own : zeros_) found.insert(found.end(), own.begin(), own.end());
  return page::punch_zeros(output_.file(), members_.end(), found, counters_);
}

}  // namespace frazil::archive
