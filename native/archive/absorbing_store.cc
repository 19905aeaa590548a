#include "archive/absorbing_store.h"

#include <unistd.h>

#include <cerrno>

#include "page/zero_scan.h"

namespace frazil::archive {

using Pages = std::span<const std::byte>;

Result<void> AbsorbingStore::settle(const Cancel& cancel) noexcept {
  if (archive_.heads_.empty()) return SysError{EINVAL, "pwrite"};
  const bool anywhere = archive_.output_.form() == OutputForm::file && !archive_.compression_ && !archive_.digests_;
  return anywhere ? settle_file(cancel) : settle_in_order(cancel);
}

// Everything has its place, so memory can be given back in the order in which it lies.
Result<void> AbsorbingStore::settle_file(const Cancel& cancel) noexcept {
  Output& output = archive_.output_;
  const uint64_t end = archive_.members_.end();
  if (::ftruncate(output.file(), static_cast<off_t>(end)) == -1) return SysError{errno, "ftruncate"};
  output.skip_to(end);
  if (auto patched = archive_.patch_heads(); !patched.ok()) return patched;
  const auto write = [&](const page::Image& image, uint64_t offset, Pages pages) noexcept {
    return page::write_sparse(output.file(), image.start + offset, pages, *archive_.counters_);
  };
  return absorber_.drain(write, cancel);
}

Result<void> AbsorbingStore::settle_in_order(const Cancel& cancel) noexcept {
  auto opened = archive_.appender(cancel);
  if (!opened.ok()) return opened.error();
  Appender& appender = *opened.value();
  const auto write = [&](const page::Image&, uint64_t, Pages pages) noexcept {
    return archive_.write(appender, pages);
  };
  if (auto begun = appender.begin_pages(archive_.heads_.front()); !begun.ok()) return begun;
  for (size_t i = 0; i < archive_.members_.images().size(); ++i) {
    if (auto begun = appender.begin_pages(archive_.heads_[i + 1]); !begun.ok()) return begun;
    if (archive_.digests_) {
      if (auto begun = archive_.digests_->begin(); !begun.ok()) return begun;
    }
    auto drained = absorber_.drain_image(*archive_.members_.images()[i], write, cancel);
    if (!drained.ok()) return drained;
    if (auto ended = appender.end_pages(); !ended.ok()) return ended;
  }
  absorber_.release();
  return appender.flush();
}

}  // namespace frazil::archive
