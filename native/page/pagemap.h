#pragma once

// pagemap-*.img (images/pagemap.proto, criu/pagemap.c): the list of runs of one image, in ascending order. Written here and
// read here because there is one entry per run of pages; every other image belongs to TypeScript.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/unique_fd.h"
#include "page/image_fault.h"
#include "page/wire.h"

namespace frazil::page {

struct PagemapEntry {
  uint64_t vaddr;
  uint64_t pages;
  uint32_t flags;
  uint64_t end() const noexcept { return vaddr + pages * kPageSize; }
};

// "pagemap-42.img", "pagemap-shmem-7.img".
std::string pagemap_name(const ImageId& id);
std::string pages_name(uint32_t pages_id);

// Collects the runs of one image, merging neighbours (CRIU sends at most a pipe full at a time), and writes them in one go.
class PagemapWriter {
 public:
  explicit PagemapWriter(uint32_t pages_id) noexcept : pages_id_(pages_id) {}

  // False when the run starts before the end of the last one: the image would not be sorted. Not for an empty run.
  bool append(const PagemapEntry& entry);
  // Creates `pagemap_name(id)` in `directory` with mode 0600; an existing one is replaced.
  Result<void> write(int directory, const ImageId& id) const noexcept { return write(directory, pagemap_name(id)); }
  Result<void> write(int directory, const std::string& name) const noexcept;

  uint32_t pages_id() const noexcept { return pages_id_; }
  const std::vector<PagemapEntry>& entries() const noexcept { return entries_; }

 private:
  uint32_t pages_id_;
  std::vector<PagemapEntry> entries_;
};

struct Pagemap {
  uint32_t pages_id = 0;
  std::vector<PagemapEntry> entries;  // sorted, disjoint, none empty, each start and length below 2^62 bytes
};

// Reads what any CRIU wrote. EBADMSG when it is not a pagemap, is cut off, or is not sorted; ENOTSUP when it is of a CRIU newer
// than we know; ELOOP for a symbolic link.
Result<Pagemap> read_pagemap(int directory, const std::string& name) noexcept;
// The same from the position of an open file.
Result<Pagemap> read_pagemap(int file) noexcept;
// The same for those who say what is wrong and where: nothing, with `fault`, instead of an error.
std::optional<Pagemap> read_pagemap(int directory, const std::string& name, ImageFault* fault) noexcept;
std::optional<Pagemap> read_pagemap(int file, ImageFault* fault) noexcept;
// To read it in another way. EBADMSG for what is no regular file.
Result<UniqueFd> open_pagemap(int directory, const std::string& name) noexcept;

}  // namespace frazil::page
