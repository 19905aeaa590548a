#include "page/prepared_files.h"

#include <fcntl.h>
#include <unistd.h>

#include "page/image_file.h"
#include "page/zeros.h"
#include "sys/full_io.h"

namespace frazil::page {
namespace {

bool is_full(const Result<void>& outcome) noexcept {
  if (outcome.ok()) return false;
  const int number = outcome.error().number;
  return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

}  // namespace

Result<void> PreparedFiles::make(std::span<const uint64_t> expected, const Cancel& cancel) noexcept {
  for (const uint64_t bytes : expected) {
    const Result<void> filled = fill(pages_name(first_ + made_), bytes, cancel);
    ++made_;  // a part of it lies there in any case
    if (is_full(filled)) return {};
    if (!filled.ok()) return filled;
  }
  return {};
}

Result<void> PreparedFiles::fill(const std::string& name, uint64_t bytes, const Cancel& cancel) noexcept {
  const auto file = create_image_file(directory_, name, O_RDWR);
  if (!file.ok()) return file.error();
  const Result<void> written = write_zeros(file.value().get(), bytes, cancel, counters_);
  // Room that somebody else needs: CRIU's images, the pages themselves.
  if (is_full(written)) (void)!::ftruncate(file.value().get(), 0);
  return written;
}

Result<UniqueFd> PreparedFiles::open(const Image& image) noexcept {
  const std::string name = pages_name(image.map.pages_id());
  return has(image.map.pages_id()) ? reopen_image_file(directory_, name) : create_image_file(directory_, name, O_RDWR);
}

Result<void> PreparedFiles::trim(const std::vector<Image*>& images) noexcept {
  for (const Image* image : images) {
    const auto file = reopen_image_file(directory_, pages_name(image->map.pages_id()));
    if (!file.ok()) return file.error();
    if (::ftruncate(file.value().get(), static_cast<off_t>(image->bytes)) == -1) return SysError{errno, "ftruncate"};
  }
  return keep(static_cast<uint32_t>(images.size()));
}

// Images are numbered without gaps, so what nobody came for are the last ones.
Result<void> PreparedFiles::keep(uint32_t images) noexcept {
  for (; made_ > images; --made_) {
    if (::unlinkat(directory_, pages_name(first_ + made_ - 1).c_str(), 0) == -1) return SysError{errno, "unlinkat"};
  }
  return {};
}

}  // namespace frazil::page
