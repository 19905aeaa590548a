#include "page/memory_store.h"

#include <fcntl.h>
#include <unistd.h>

#include "page/image_file.h"
#include "page/zero_scan.h"

namespace frazil::page {

Result<void> MemoryStore::open(Image& image) noexcept {
  images_.push_back(&image);
  return absorber_.ready();
}

// In the order of the stripes, not of the images: memory is given back as it is written, and a file does not mind being
// written in pieces of a mebibyte.
Result<void> MemoryStore::settle(const Cancel& cancel) noexcept {
  if (auto made = make_files(); !made.ok()) return made;
  const auto write = [this](Image& image, uint64_t offset, std::span<const std::byte> pages) noexcept -> Result<void> {
    if (auto used = use(image); !used.ok()) return used;
    return write_sparse(file_.get(), offset, pages, counters_);
  };
  if (auto drained = absorber_.drain(write, cancel); !drained.ok()) return drained;
  images_.clear();
  return file_ ? check_written(file_.get()) : Result<void>();
}

// At their full length, so that what is not written into them are holes.
Result<void> MemoryStore::make_files() noexcept {
  for (const Image* image : images_) {
    const auto file = create_image_file(directory_, pages_name(image->map.pages_id()), O_RDWR);
    if (!file.ok()) return file.error();
    if (::ftruncate(file.value().get(), static_cast<off_t>(image->bytes)) == -1) return SysError{errno, "ftruncate"};
  }
  return {};
}

Result<void> MemoryStore::use(const Image& image) noexcept {
  if (used_ == &image) return {};
  if (file_) {
    if (auto kept = check_written(file_.get()); !kept.ok()) return kept;
  }
  auto file = reopen_image_file(directory_, pages_name(image.map.pages_id()));
  if (!file.ok()) return file.error();
  file_ = std::move(file).value();
  used_ = &image;
  return {};
}

}  // namespace frazil::page
