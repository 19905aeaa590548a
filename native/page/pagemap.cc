#include "page/pagemap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "page/image_file.h"
#include "page/pagemap_reader.h"
#include "sys/full_io.h"

namespace frazil::page {
namespace {

// criu/include/magic.h.
constexpr uint32_t kCommonMagic = 0x54564319;
constexpr uint32_t kPagemapMagic = 0x56084025;
// A pagemap of one entry per page of 1 TiB is 5 GiB; beyond this the file is refused rather than read.
constexpr uint64_t kMaxFileBytes = uint64_t{8} << 30;
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

// criu/pagemap.c init_compat_pagemap_entry(): in_parent before there were flags; no flags at all means present, flags of 0 do not.
// Nothing when a required field is missing.
std::optional<PagemapEntry> from_fields(const PagemapFields& fields) {
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

bool take_entries(PagemapReader& reader, Pagemap* map, std::optional<ImageFault>* fault) {
  PagemapFields fields;
  for (uint64_t previous_end = 0; reader.next(&fields);) {
    const auto entry = from_fields(fields);
    if (!entry)
      *fault = ImageFault{.flaw = Flaw::malformed, .offset = reader.offset()};
    else if (!is_sound(*entry, previous_end))
      *fault = ImageFault{.flaw = Flaw::not_sorted, .offset = reader.offset(), .vaddr = entry->vaddr};
    if (*fault) return false;
    previous_end = entry->end();
    // CRIU 4.1 reads what 4.2 wrote as entries of no pages, and may so have copied them.
    if (entry->pages > 0) map->entries.push_back(*entry);
  }
  *fault = reader.fault();
  return !*fault;
}

SysError to_error(const ImageFault& fault) {
  if (fault.flaw == Flaw::system) return fault.error;
  return {fault.flaw == Flaw::newer ? ENOTSUP : EBADMSG, "read"};
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

Result<void> PagemapWriter::write(int directory, const std::string& name) const noexcept {
  auto file = create_image_file(directory, name, O_WRONLY);
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
  ImageFault fault;
  auto map = read_pagemap(directory, name, &fault);
  if (!map) return to_error(fault);
  return std::move(*map);
}

std::optional<Pagemap> read_pagemap(int directory, const std::string& name, ImageFault* fault) noexcept {
  auto file = open_pagemap(directory, name);
  std::optional<Pagemap> map;
  if (file.ok())
    map = read_pagemap(file.value().get(), fault);
  else
    *fault =
        ImageFault{.flaw = file.error().number == EBADMSG ? Flaw::not_a_pagemap : Flaw::system, .error = file.error()};
  if (!map) fault->name = name;
  return map;
}

Result<UniqueFd> open_pagemap(int directory, const std::string& name) noexcept {
  // Not a fifo that nobody writes to: opening one would block.
  UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) return SysError{errno, "openat"};
  struct stat status;
  if (::fstat(file.get(), &status) == -1) return SysError{errno, "fstat"};
  if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) > kMaxFileBytes)
    return SysError{EBADMSG, "read"};
  return file;
}

std::optional<Pagemap> read_pagemap(int file, ImageFault* fault) noexcept {
  PagemapReader reader(file);
  PagemapFields head;
  std::optional<ImageFault> found;
  Pagemap map;
  if (!reader.head(&head))
    found = reader.fault();
  else if (!head[1] || *head[1] > UINT32_MAX)
    found = ImageFault{.flaw = Flaw::malformed, .offset = reader.offset()};
  if (!found) {
    map.pages_id = static_cast<uint32_t>(*head[1]);
    (void)take_entries(reader, &map, &found);
  }
  if (!found) return map;
  *fault = *found;
  return {};
}

Result<Pagemap> read_pagemap(int file) noexcept {
  ImageFault fault;
  auto map = read_pagemap(file, &fault);
  if (!map) return to_error(fault);
  return std::move(*map);
}

}  // namespace frazil::page
