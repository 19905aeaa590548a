#include "archive/archive_pages.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

#include "page/page_buffers.h"
#include "page/pagemap.h"
#include "sys/full_io.h"

namespace frazil::archive {
namespace {

constexpr size_t kMostPlacesBytes = size_t{1} << 20;
constexpr mode_t kPrivate = 0600;

bool take(std::string_view& text, char after, uint64_t* value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  if (error != std::errc() || end == text.data() + text.size() || *end != after) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  return true;
}

class PagesOfArchive final : public page::StoredPages {
 public:
  PagesOfArchive(std::shared_ptr<StreamFile> stream, uint64_t at) noexcept : stream_(std::move(stream)), at_(at) {}
  Result<void> read(uint64_t offset, std::span<std::byte> into) const noexcept override {
    return stream_->read(at_ + offset, into);
  }

 private:
  std::shared_ptr<StreamFile> stream_;
  uint64_t at_;
};

struct Piece {
  uint64_t from;  // in the stream
  uint64_t to;    // in the file
  uint64_t bytes;
};

Result<void> copy(StreamFile& stream, const Piece& piece, int file) noexcept {
  std::vector<std::byte> buffer(std::min<uint64_t>(piece.bytes, page::PageBuffers::kBytes));
  for (uint64_t done = 0; done < piece.bytes;) {
    const std::span part = std::span(buffer).first(std::min<uint64_t>(buffer.size(), piece.bytes - done));
    if (auto read = stream.read(piece.from + done, part); !read.ok()) return read;
    if (auto wrote = pwrite_full(file, part.data(), part.size(), piece.to + done); !wrote.ok()) return wrote;
    done += part.size();
  }
  return {};
}

Result<void> stage_one(StreamFile& stream, const Places& places, int images, const std::string& pagemap) noexcept {
  const auto map = page::read_pagemap(images, pagemap);
  if (!map.ok()) return map.error();
  const auto place = places.find(map.value().pages_id);
  if (place == places.end()) return SysError{ENOENT, "pagemap"};
  const std::string name = page::pages_name(map.value().pages_id);
  const UniqueFd file(::openat(images, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kPrivate));
  if (!file) return SysError{errno, "openat"};
  if (::ftruncate(file.get(), static_cast<off_t>(place->second.bytes)) == -1) return SysError{errno, "ftruncate"};
  uint64_t offset = 0;
  for (const page::PagemapEntry& entry : map.value().entries) {
    if ((entry.flags & page::kPresent) == 0) continue;
    const uint64_t bytes = entry.pages * page::kPageSize;
    if (bytes > place->second.bytes - offset) return SysError{ENODATA, "pagemap"};
    if ((entry.flags & page::kLazy) == 0) {
      if (auto done = copy(stream, {place->second.at + offset, offset, bytes}, file.get()); !done.ok()) return done;
    }
    offset += bytes;
  }
  return {};
}

}  // namespace

Result<Places> read_places(int file) noexcept {
  std::string text(kMostPlacesBytes, '\0');
  const auto got = pread_full(file, text.data(), text.size(), 0);
  if (!got.ok()) return got.error();
  Places places;
  std::string_view rest(text.data(), got.value());
  while (!rest.empty()) {
    uint64_t id = 0;
    Place place{};
    if (!take(rest, ' ', &id) || !take(rest, ' ', &place.at) || !take(rest, '\n', &place.bytes) || id > UINT32_MAX)
      return SysError{EBADMSG, "read"};
    places[static_cast<uint32_t>(id)] = place;
  }
  return places;
}

Result<std::unique_ptr<page::StoredPages>> ArchivePages::open(uint32_t pages_id, uint64_t bytes) noexcept {
  const auto place = places_.find(pages_id);
  if (place == places_.end()) return SysError{ENOENT, "pagemap"};
  if (place->second.bytes < bytes) return SysError{ENODATA, "pagemap"};
  return std::unique_ptr<page::StoredPages>(new PagesOfArchive(stream_, place->second.at));
}

Result<void> stage_eager(StreamFile& stream, const Places& places, int images,
                         const std::vector<std::string>& pagemaps) noexcept {
  for (const std::string& pagemap : pagemaps) {
    if (auto staged = stage_one(stream, places, images, pagemap); !staged.ok()) return staged;
  }
  return {};
}

}  // namespace frazil::archive
