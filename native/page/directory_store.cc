#include "page/directory_store.h"

#include <fcntl.h>
#include <unistd.h>

#include "page/image_file.h"
#include "page/payload.h"
#include "page/zero_scan.h"

namespace frazil::page {

// Allocating the file beforehand was tried: writing it twice costs more wall time than it takes off the frozen time.
Result<void> DirectoryStore::prepare(uint64_t, const Cancel&) noexcept { return {}; }

Result<void> DirectoryStore::open(Image& image) noexcept {
  auto file = create_image_file(directory_, pages_name(image.map.pages_id()), O_RDWR);
  if (!file.ok()) return file.error();
  image.pages = std::move(file).value();
  images_.push_back(&image);
  return {};
}

Result<void> DirectoryStore::rest() noexcept {
  for (; rested_ < images_.size(); ++rested_) {
    UniqueFd& file = images_[rested_]->pages;
    if (auto kept = check_written(file.get()); !kept.ok()) return kept;
    file.reset();
  }
  return {};
}

Result<void> DirectoryStore::put(unsigned worker, const Payload& payload, Image& image) noexcept {
  if (auto written = write_payload(payload, image.pages.get(), payload.offset); !written.ok()) return written;
  counters_.add(&Counters::bytes_out, payload.bytes());
  // Now, while it is in the cache.
  return find_zeros(image.pages.get(), payload.offset, payload.bytes(), counters_, &zeros_[worker][&image]);
}

Result<void> DirectoryStore::settle(const Cancel& cancel) noexcept {
  if (auto rested = rest(); !rested.ok()) return rested;
  for (const Image* image : images_) {
    if (cancel.cancelled()) return SysError{ECANCELED, "fallocate"};
    if (auto punched = punch(*image); !punched.ok()) return punched;
  }
  images_.clear();
  rested_ = 0;
  return {};
}

Result<void> DirectoryStore::punch(const Image& image) noexcept {
  const auto file = reopen_image_file(directory_, pages_name(image.map.pages_id()));
  if (!file.ok()) return file.error();
  std::vector<ZeroStretch> found;
  for (auto& of_worker : zeros_) {
    const auto own = of_worker.find(&image);
    if (own != of_worker.end()) found.insert(found.end(), own->second.begin(), own->second.end());
  }
  return punch_zeros(file.value().get(), image.bytes, found, counters_);
}

}  // namespace frazil::page
