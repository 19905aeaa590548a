#include "page/directory_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "page/image_file.h"
#include "page/zero_scan.h"
#include "sys/full_io.h"
#include "sys/splice.h"

namespace frazil::page {
namespace {

// Read back in pieces that stay in a second-level cache: larger ones were slower on the two machines tried.
constexpr size_t kWindow = size_t{1} << 20;

}  // namespace

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
    if (auto found = find_zeros(*image, cancel); !found.ok()) return found;
  }
  images_.clear();
  rested_ = 0;
  return {};
}

// read(), not mmap(): a file in somebody's directory may be cut short under us, and SIGBUS would take the whole process.
Result<void> DirectoryStore::find_zeros(const Image& image, const Cancel& cancel) noexcept {
  const auto file = reopen_image_file(directory_, pages_name(image.map.pages_id()));
  if (!file.ok()) return file.error();
  const std::unique_ptr<std::byte[]> window(new (std::nothrow) std::byte[kWindow]);
  if (!window) return SysError{ENOMEM, "malloc"};
  for (uint64_t offset = 0; offset < image.bytes; offset += kWindow) {
    if (cancel.cancelled()) return SysError{ECANCELED, "pread"};
    const size_t bytes = std::min<uint64_t>(kWindow, image.bytes - offset);
    const auto got = pread_full(file.value().get(), window.get(), bytes, offset);
    if (!got.ok()) return got.error();
    // Somebody has cut it, or replaced it: what CRIU handed over is not there.
    if (got.value() < bytes) return SysError{EIO, "pread"};
    const auto punched = punch_zero_runs(file.value().get(), offset, {window.get(), bytes}, counters_);
    if (!punched.ok()) return punched;
  }
  return {};
}

}  // namespace frazil::page
