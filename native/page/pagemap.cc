#include "page/pagemap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

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

struct Cursor {
  const uint8_t* at;
  const uint8_t* end;
  size_t left() const { return static_cast<size_t>(end - at); }
};

bool take_u32(Cursor& cursor, uint32_t* value) {
  if (cursor.left() < sizeof *value) return false;
  std::memcpy(value, cursor.at, sizeof *value);
  cursor.at += sizeof *value;
  return true;
}

bool take_varint(Cursor& cursor, uint64_t* value) {
  *value = 0;
  for (unsigned shift = 0; shift < 64 && cursor.at < cursor.end; shift += 7) {
    const uint8_t byte = *cursor.at++;
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

// Varint fields only: pagemap messages have no others. Fields that are new to us are skipped.
bool take_fields(Cursor& cursor, size_t bytes, uint64_t (&fields)[6]) {
  if (bytes > kMaxEntryBytes || bytes > cursor.left()) return false;
  Cursor body{cursor.at, cursor.at + bytes};
  cursor.at += bytes;
  while (body.left() > 0) {
    uint64_t key;
    uint64_t value;
    if (!take_varint(body, &key) || (key & 7) != 0 || !take_varint(body, &value)) return false;
    if (key >> 3 < std::size(fields)) fields[key >> 3] = value;
  }
  return true;
}

// criu/pagemap.c init_compat_pagemap_entry(): in_parent before there were flags; no flags at all means present.
PagemapEntry from_fields(const uint64_t (&fields)[6]) {
  auto flags = static_cast<uint32_t>(fields[4]);
  if (fields[3] != 0) flags |= kParent;
  if (flags == 0) flags = kPresent;
  return {fields[1], fields[5] != 0 ? fields[5] : fields[2], flags};
}

bool is_sound(const PagemapEntry& entry, uint64_t previous_end) {
  return entry.vaddr % kPageSize == 0 && entry.vaddr >= previous_end && entry.vaddr < kMaxAddress &&
         entry.pages <= kMaxAddress / kPageSize;
}

bool parse(Cursor cursor, Pagemap* map) {
  uint32_t common;
  uint32_t magic;
  uint32_t length;
  uint64_t head[6] = {};
  if (!take_u32(cursor, &common) || common != kCommonMagic) return false;
  if (!take_u32(cursor, &magic) || magic != kPagemapMagic) return false;
  if (!take_u32(cursor, &length) || !take_fields(cursor, length, head)) return false;
  map->pages_id = static_cast<uint32_t>(head[1]);
  uint64_t previous_end = 0;
  while (cursor.left() > 0) {
    uint64_t fields[6] = {};
    if (!take_u32(cursor, &length) || !take_fields(cursor, length, fields)) return false;
    const PagemapEntry entry = from_fields(fields);
    if (!is_sound(entry, previous_end)) return false;
    previous_end = entry.end();
    map->entries.push_back(entry);
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
  if (entries_.empty()) {
    entries_.push_back(entry);
    return true;
  }
  PagemapEntry& last = entries_.back();
  if (entry.vaddr < last.end()) return false;
  if (entry.vaddr == last.end() && entry.flags == last.flags && last.pages + entry.pages <= kMaxRunPages) {
    last.pages += entry.pages;
  } else {
    entries_.push_back(entry);
  }
  return true;
}

Result<void> PagemapWriter::write(int directory, const ImageId& id) const noexcept {
  std::string out;
  put_u32(out, kCommonMagic);
  put_u32(out, kPagemapMagic);
  std::string head;
  put_field(head, 1, pages_id_);
  put_u32(out, static_cast<uint32_t>(head.size()));
  out += head;
  for (const PagemapEntry& entry : entries_) put_entry(out, entry);
  UniqueFd file(::openat(directory, pagemap_name(id).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return SysError{errno, "openat"};
  return write_full(file.get(), out.data(), out.size());
}

Result<Pagemap> read_pagemap(int directory, const std::string& name) noexcept {
  UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return SysError{errno, "openat"};
  struct stat status;
  if (::fstat(file.get(), &status) == -1) return SysError{errno, "fstat"};
  if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) > kMaxFileBytes) return SysError{EBADMSG, "read"};
  std::vector<uint8_t> bytes(static_cast<size_t>(status.st_size));
  const auto got = read_full(file.get(), bytes.data(), bytes.size());
  if (!got.ok()) return got.error();
  Pagemap map;
  if (!parse({bytes.data(), bytes.data() + got.value()}, &map)) return SysError{EBADMSG, "read"};
  return map;
}

}  // namespace frazil::page
