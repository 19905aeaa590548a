#include "page/pagemap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "page/image_file.h"
#include "sys/full_io.h"

namespace frazil::page {
namespace {

// criu/include/magic.h.
constexpr uint32_t kCommonMagic = 0x54564319;
constexpr uint32_t kPagemapMagic = 0x56084025;
// An entry is at most five varints with their tags; anything longer is not a pagemap.
constexpr uint32_t kMaxEntryBytes = 64;
// A pagemap of one entry per page of 1 TiB is 5 GiB; beyond this the file is refused rather than read.
constexpr uint64_t kMaxFileBytes = uint64_t{8} << 30;
// Read in pieces: what is kept then follows from entries that are really there, not from the length that a sparse file claims.
constexpr size_t kReadBytes = size_t{64} << 10;
constexpr size_t kWriteBytes = size_t{1} << 20;
constexpr uint64_t kMaxAddress = uint64_t{1} << 62;
// Field 2 is a uint32; a longer run is cut in two, so that CRIU 4.1, which knows only that field, can restore.
constexpr uint64_t kMaxRunPages = 0x7fffffff;

void put_u32(std::string& out, uint32_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_field(std::string& out, unsigned field, uint64_t value) {
  put_varint(out, field << 3);
  put_varint(out, value);
}

// Both page counts: 4.1 knows field 2, 4.2 prefers field 5.
void put_entry(std::string& out, const PagemapEntry& entry) {
  std::string body;
  put_field(body, 1, entry.vaddr);
  put_field(body, 2, entry.pages);
  put_field(body, 4, entry.flags);
  put_field(body, 5, entry.pages);
  put_u32(out, static_cast<uint32_t>(body.size()));
  out += body;
}

class Source {
 public:
  explicit Source(int file) noexcept : file_(file) {}

  // False at the end of the file and when it cannot be read: see error().
  bool take(void* to, size_t bytes) noexcept {
    for (auto at = static_cast<uint8_t*>(to); bytes > 0;) {
      if (from_ == until_ && !refill()) return false;
      const size_t n = std::min(bytes, until_ - from_);
      std::memcpy(at, buffer_.data() + from_, n);
      from_ += n;
      at += n;
      bytes -= n;
    }
    return true;
  }
  bool at_end() noexcept { return from_ == until_ && !refill(); }
  std::optional<SysError> error() const noexcept { return error_; }

 private:
  bool refill() noexcept {
    const auto got = error_ ? Result<size_t>(size_t{0}) : read_full(file_, buffer_.data(), buffer_.size());
    if (!got.ok()) error_ = got.error();
    from_ = 0;
    until_ = got.ok() ? got.value() : 0;
    return until_ > 0;
  }

  int file_;
  size_t from_ = 0;
  size_t until_ = 0;
  std::optional<SysError> error_;
  std::array<uint8_t, kReadBytes> buffer_;
};

struct Cursor {
  const uint8_t* at;
  const uint8_t* end;
};

bool take_varint(Cursor& cursor, uint64_t* value) {
  *value = 0;
  for (unsigned shift = 0; shift < 64 && cursor.at < cursor.end; shift += 7) {
    const uint8_t byte = *cursor.at++;
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

constexpr size_t kFields = 6;
using Fields = std::array<std::optional<uint64_t>, kFields>;

// One message and the length in front of it. Varint fields only: pagemap messages have no others. Such that are new to us are
// skipped.
bool take_fields(Source& source, Fields* fields) {
  uint32_t length;
  uint8_t body[kMaxEntryBytes];
  if (!source.take(&length, sizeof length) || length > sizeof body || !source.take(body, length)) return false;
  for (Cursor cursor{body, body + length}; cursor.at < cursor.end;) {
    uint64_t key;
    uint64_t value;
    if (!take_varint(cursor, &key) || (key & 7) != 0 || !take_varint(cursor, &value)) return false;
    if (key >> 3 < kFields) (*fields)[key >> 3] = value;
  }
  return true;
}

// criu/pagemap.c init_compat_pagemap_entry(): in_parent before there were flags; no flags at all means present, flags of 0 do not.
// Nothing when a required field is missing.
std::optional<PagemapEntry> from_fields(const Fields& fields) {
  if (!fields[1] || (!fields[2] && !fields[5])) return {};
  auto flags = static_cast<uint32_t>(fields[4].value_or(0));
  if (fields[3].value_or(0) != 0) {
    flags |= kParent;
  } else if (!fields[4]) {
    flags = kPresent;
  }
  return PagemapEntry{*fields[1], fields[5] ? *fields[5] : *fields[2], flags};
}

bool is_sound(const PagemapEntry& entry, uint64_t previous_end) {
  return entry.vaddr % kPageSize == 0 && entry.vaddr >= previous_end && entry.vaddr < kMaxAddress &&
         entry.pages <= kMaxAddress / kPageSize;
}

bool take_head(Source& source, Pagemap* map) {
  uint32_t magic[2];
  Fields head;
  if (!source.take(magic, sizeof magic) || magic[0] != kCommonMagic || magic[1] != kPagemapMagic) return false;
  if (!take_fields(source, &head) || !head[1] || *head[1] > UINT32_MAX) return false;
  map->pages_id = static_cast<uint32_t>(*head[1]);
  return true;
}

bool take_entries(Source& source, Pagemap* map) {
  for (uint64_t previous_end = 0; !source.at_end();) {
    Fields fields;
    if (!take_fields(source, &fields)) return false;
    const auto entry = from_fields(fields);
    if (!entry || !is_sound(*entry, previous_end)) return false;
    previous_end = entry->end();
    // CRIU 4.1 reads what 4.2 wrote as entries of no pages, and may so have copied them.
    if (entry->pages > 0) map->entries.push_back(*entry);
  }
  return true;
}

}  // namespace

std::string pagemap_name(const ImageId& id) {
  const char* prefix = id.kind == ImageId::Kind::task ? "pagemap-" : "pagemap-shmem-";
  return prefix + std::to_string(id.id) + ".img";
}

std::string pages_name(uint32_t pages_id) { return "pages-" + std::to_string(pages_id) + ".img"; }

bool PagemapWriter::append(const PagemapEntry& entry) {
  if (!entries_.empty() && entry.vaddr < entries_.back().end()) return false;
  PagemapEntry rest = entry;
  if (!entries_.empty()) {
    PagemapEntry& last = entries_.back();
    if (rest.vaddr == last.end() && rest.flags == last.flags) {
      const uint64_t pages = std::min(rest.pages, kMaxRunPages - last.pages);
      last.pages += pages;
      rest = {rest.vaddr + pages * kPageSize, rest.pages - pages, rest.flags};
    }
  }
  while (rest.pages > 0) {
    const uint64_t pages = std::min(rest.pages, kMaxRunPages);
    entries_.push_back({rest.vaddr, pages, rest.flags});
    rest = {rest.vaddr + pages * kPageSize, rest.pages - pages, rest.flags};
  }
  return true;
}

Result<void> PagemapWriter::write(int directory, const ImageId& id) const noexcept {
  auto file = create_image_file(directory, pagemap_name(id), O_WRONLY);
  if (!file.ok()) return file.error();
  std::string out;
  put_u32(out, kCommonMagic);
  put_u32(out, kPagemapMagic);
  std::string head;
  put_field(head, 1, pages_id_);
  put_u32(out, static_cast<uint32_t>(head.size()));
  out += head;
  for (const PagemapEntry& entry : entries_) {
    put_entry(out, entry);
    if (out.size() < kWriteBytes) continue;
    if (auto written = write_full(file.value().get(), out.data(), out.size()); !written.ok()) return written;
    out.clear();
  }
  if (auto written = write_full(file.value().get(), out.data(), out.size()); !written.ok()) return written;
  return check_written(file.value().get());
}

Result<Pagemap> read_pagemap(int directory, const std::string& name) noexcept {
  // Not a fifo that nobody writes to: opening one would block.
  const UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) return SysError{errno, "openat"};
  struct stat status;
  if (::fstat(file.get(), &status) == -1) return SysError{errno, "fstat"};
  if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) > kMaxFileBytes)
    return SysError{EBADMSG, "read"};
  return read_pagemap(file.get());
}

Result<Pagemap> read_pagemap(int file) noexcept {
  Source source(file);
  Pagemap map;
  const bool sound = take_head(source, &map) && take_entries(source, &map);
  if (const auto error = source.error()) return *error;
  if (!sound) return SysError{EBADMSG, "read"};
  return map;
}

}  // namespace frazil::page
