#include "page/directory_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>

#include "page/zero_scan.h"
#include "sys/full_io.h"
#include "sys/splice.h"

namespace frazil::page {
namespace {

// Read back in pieces that stay in a second-level cache: larger ones were slower on the two machines tried.
constexpr size_t kWindow = size_t{1} << 20;

}  // namespace

Result<UniqueFd> create_pages(int directory, const Image& image) noexcept {
  const std::string name = pages_name(image.map.pages_id());
  UniqueFd file(::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return SysError{errno, "openat"};
  return file;
}

// Allocating the file beforehand was tried: writing it twice costs more wall time than it takes off the frozen time.
Result<void> DirectoryStore::prepare(uint64_t, const Cancel&) noexcept { return {}; }

Result<void> DirectoryStore::open(Image& image) noexcept {
  auto file = create_pages(directory_, image);
  if (!file.ok()) return file.error();
  image.pages = std::move(file).value();
  images_.push_back(&image);
  return {};
}

Result<void> DirectoryStore::put(unsigned, int pipe, size_t bytes, Image& image, uint64_t offset) noexcept {
  auto to = static_cast<loff_t>(offset);
  while (bytes > 0) {
    const auto moved = splice_bytes(pipe, image.pages.get(), &to, bytes);
    if (!moved.ok()) return moved.error();
    if (moved.value() == 0) return SysError{EPIPE, "splice"};
    bytes -= moved.value();
    counters_.add(&Counters::bytes_out, moved.value());
  }
  return {};
}

Result<void> DirectoryStore::settle(const Cancel& cancel) noexcept {
  for (Image* image : images_) {
    if (auto found = find_zeros(*image, cancel); !found.ok()) return found;
    image->pages.reset();
  }
  images_.clear();
  return {};
}

// read(), not mmap(): a file in somebody's directory may be cut short under us, and SIGBUS would take the whole process.
Result<void> DirectoryStore::find_zeros(Image& image, const Cancel& cancel) noexcept {
  const std::unique_ptr<std::byte[]> window(new (std::nothrow) std::byte[kWindow]);
  if (!window) return SysError{ENOMEM, "malloc"};
  for (uint64_t offset = 0; offset < image.bytes; offset += kWindow) {
    if (cancel.cancelled()) return SysError{ECANCELED, "read"};
    const size_t bytes = std::min<uint64_t>(kWindow, image.bytes - offset);
    const ssize_t got = retry_eintr([&] { return ::pread(image.pages.get(), window.get(), bytes, static_cast<off_t>(offset)); });
    if (got == -1) return SysError{errno, "pread"};
    const auto punched = punch_zero_runs(image.pages.get(), offset, {window.get(), static_cast<size_t>(got)}, counters_);
    if (!punched.ok()) return punched;
  }
  return {};
}

}  // namespace frazil::page
