#include "page/directory_store.h"

#include <fcntl.h>
#include <unistd.h>

#include "page/image_file.h"
#include "page/zero_scan.h"
#include "sys/full_io.h"
#include "sys/splice.h"

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

Result<void> DirectoryStore::put(unsigned, const Payload& payload, Image& image) noexcept {
  auto to = static_cast<loff_t>(payload.offset);
  for (size_t left = payload.piped; left > 0;) {
    const auto moved = splice_bytes(payload.pipe, image.pages.get(), &to, left);
    if (!moved.ok()) return moved.error();
    if (moved.value() == 0) return SysError{EPIPE, "splice"};
    left -= moved.value();
    counters_.add(&Counters::bytes_out, moved.value());
  }
  counters_.add(&Counters::bytes_out, payload.rest.size());
  return pwrite_full(image.pages.get(), payload.rest.data(), payload.rest.size(), payload.offset + payload.piped);
}

Result<void> DirectoryStore::settle(const Cancel& cancel) noexcept {
  if (auto rested = rest(); !rested.ok()) return rested;
  for (const Image* image : images_) {
    const auto file = reopen_image_file(directory_, pages_name(image->map.pages_id()));
    if (!file.ok()) return file.error();
    if (auto punched = punch_zeros(file.value().get(), image->bytes, cancel, counters_); !punched.ok()) return punched;
  }
  images_.clear();
  rested_ = 0;
  return {};
}

}  // namespace frazil::page
