#include "page/stored_image.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "sys/full_io.h"

namespace frazil::page {
namespace {

// Collects faults until there are enough of them.
class Faults {
 public:
  Faults(std::vector<ImageFault>* found, size_t limit) noexcept : found_(found), limit_(limit) {}
  void add(ImageFault fault) {
    any_ = true;
    if (found_->size() < limit_) found_->push_back(std::move(fault));
  }
  bool any() const noexcept { return any_; }

 private:
  std::vector<ImageFault>* found_;
  size_t limit_;
  bool any_ = false;
};

// What one level says, holes still being holes.
std::vector<StoredRun> to_runs(const Pagemap& map, uint32_t level) {
  std::vector<StoredRun> runs;
  runs.reserve(map.entries.size());
  uint64_t offset = 0;
  for (const PagemapEntry& entry : map.entries) {
    runs.push_back({entry.vaddr, entry.pages, entry.flags, level, offset});
    // criu/pagemap.c reads a run with both flags from the parent, and counts it in the file.
    if ((entry.flags & kPresent) != 0) offset += entry.pages * kPageSize;
  }
  return runs;
}

void append(std::vector<StoredRun>& runs, const StoredRun& run) {
  if (!runs.empty()) {
    StoredRun& last = runs.back();
    const bool follows = last.end() == run.vaddr && last.flags == run.flags && last.level == run.level;
    if (follows && (!run.stored() || last.offset + last.bytes() == run.offset)) {
      last.pages += run.pages;
      return;
    }
  }
  runs.push_back(run);
}

// Fills one hole from what lies below, from `*at` on, which only grows: holes and runs both ascend. What nobody has is a fault.
void fill(const StoredRun& hole, const std::vector<StoredRun>& below, size_t* at, std::vector<StoredRun>* filled,
          std::vector<StoredRun>* missing) {
  uint64_t from = hole.vaddr;
  while (*at < below.size() && below[*at].end() <= from) ++*at;
  for (size_t i = *at; from < hole.end(); ++i) {
    const bool over = i == below.size() || below[i].vaddr >= hole.end();
    const uint64_t gap_end = over ? hole.end() : below[i].vaddr;
    if (gap_end > from) {
      missing->push_back({from, (gap_end - from) / kPageSize, 0, 0, 0});
      from = gap_end;
    }
    if (over) break;
    const uint64_t end = std::min(hole.end(), below[i].end());
    const StoredRun part{from, (end - from) / kPageSize, (hole.flags & ~kParent) | kPresent, below[i].level,
                         below[i].offset + (from - below[i].vaddr)};
    if (below[i].stored()) {
      append(*filled, part);
    } else {
      missing->push_back(part);
    }
    from = end;
  }
}

std::vector<StoredRun> lay_over(const std::vector<StoredRun>& level, const std::vector<StoredRun>& below,
                                std::vector<StoredRun>* missing) {
  std::vector<StoredRun> out;
  out.reserve(std::max(level.size(), below.size()));
  size_t at = 0;
  missing->clear();
  for (const StoredRun& run : level) {
    if ((run.flags & kParent) != 0) {
      fill(run, below, &at, &out, missing);
    } else {
      append(out, run);
    }
  }
  return out;
}

uint64_t stored_bytes(const Pagemap& map) {
  uint64_t bytes = 0;
  for (const PagemapEntry& entry : map.entries) {
    if ((entry.flags & kPresent) != 0) bytes += entry.pages * kPageSize;
  }
  return bytes;
}

UniqueFd open_pages(int directory, const std::string& name, uint64_t wanted, ImageFault place, Faults& faults) {
  place.name = name;
  place.wanted = wanted;
  UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) == -1) {
    place.flaw = errno == ENOENT ? Flaw::pages_missing : Flaw::system;
    place.error = {errno, "openat"};
  } else if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) < wanted) {
    place.flaw = Flaw::pages_short;
    place.found = S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : 0;
  } else {
    return file;
  }
  faults.add(std::move(place));
  return {};
}

// The pagemaps of the image, itself first.
std::vector<Pagemap> read_maps(const std::vector<UniqueFd>& levels, const std::string& name, Faults& faults) {
  std::vector<Pagemap> maps;
  for (uint32_t level = 0; level < levels.size(); ++level) {
    ImageFault fault;
    auto map = read_pagemap(levels[level].get(), name, &fault);
    const bool absent = !map && fault.flaw == Flaw::system && fault.error.number == ENOENT;
    if (absent && level > 0) break;
    fault.level = level;
    if (!map) faults.add(std::move(fault));
    maps.push_back(map ? std::move(*map) : Pagemap{});
  }
  return maps;
}

}  // namespace

std::optional<StoredImage> StoredImage::open(const std::vector<UniqueFd>& levels, const std::string& name, size_t limit,
                                             std::vector<ImageFault>* found) noexcept {
  Faults faults(found, limit);
  const std::vector<Pagemap> maps = read_maps(levels, name, faults);
  StoredImage image;
  for (uint32_t level = 0; level < maps.size(); ++level) {
    const uint64_t wanted = stored_bytes(maps[level]);
    image.files_.push_back({pages_name(maps[level].pages_id), {}});
    if (wanted == 0) continue;
    File& file = image.files_.back();
    file.pages = open_pages(levels[level].get(), file.name, wanted, {.flaw = Flaw::system, .level = level}, faults);
  }
  // Holes say nothing where a pagemap below could not be read.
  if (faults.any()) return {};
  std::vector<StoredRun> missing;
  for (size_t level = maps.size(); level-- > 0;)
    image.runs_ = lay_over(to_runs(maps[level], static_cast<uint32_t>(level)), image.runs_, &missing);
  for (const StoredRun& hole : missing)
    faults.add({.flaw = Flaw::hole_unfilled, .name = name, .vaddr = hole.vaddr, .pages = hole.pages});
  if (faults.any()) return {};
  image.close_unused();
  return image;
}

void StoredImage::close_unused() noexcept {
  std::vector<bool> used(files_.size());
  for (const StoredRun& run : runs_) used[run.level] = used[run.level] || run.stored();
  for (size_t level = 0; level < files_.size(); ++level) {
    if (!used[level]) files_[level].pages.reset();
  }
}

uint64_t StoredImage::pages() const noexcept {
  uint64_t pages = 0;
  for (const StoredRun& run : runs_) pages += run.stored() ? run.pages : 0;
  return pages;
}

uint64_t StoredImage::parent_pages() const noexcept {
  uint64_t pages = 0;
  for (const StoredRun& run : runs_) pages += run.stored() && run.level > 0 ? run.pages : 0;
  return pages;
}

std::optional<ImageFault> StoredImage::read(const StoredRun& run, uint64_t skip, void* to,
                                            size_t bytes) const noexcept {
  const auto got = pread_full(file(run.level), to, bytes, run.offset + skip);
  if (got.ok() && got.value() == bytes) return {};
  const SysError error = got.ok() ? SysError{EIO, "pread"} : got.error();
  return ImageFault{.flaw = Flaw::system,
                    .error = error,
                    .level = run.level,
                    .name = file_name(run.level),
                    .offset = run.offset + skip,
                    .vaddr = run.vaddr + skip};
}

}  // namespace frazil::page
