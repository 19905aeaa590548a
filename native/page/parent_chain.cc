#include "page/parent_chain.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "sys/retry.h"

namespace frazil::page {
namespace {

// A chain of hourly increments over months.
constexpr size_t kMaxLevels = 4096;
constexpr const char* kLink = "parent";

struct Identity {
  dev_t device;
  ino_t inode;
  bool operator==(const Identity&) const = default;
};

Result<Identity> identify(int directory) noexcept {
  struct stat status;
  if (::fstat(directory, &status) == -1) return SysError{errno, "fstat"};
  return Identity{status.st_dev, status.st_ino};
}

// The level below, or an empty one at the end of the chain. A link that leads nowhere is a broken chain, not its end.
Result<UniqueFd> open_below(int directory) noexcept {
  UniqueFd below(::openat(directory, kLink, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (below) return below;
  const int number = errno;
  struct stat link;
  const bool absent = ::fstatat(directory, kLink, &link, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT;
  if (absent) return UniqueFd();
  return SysError{number, "openat"};
}

// The first entry that ends after `vaddr`.
size_t first_touching(const std::vector<PagemapEntry>& entries, uint64_t vaddr) {
  const auto at = std::partition_point(entries.begin(), entries.end(),
                                       [&](const PagemapEntry& entry) { return entry.end() <= vaddr; });
  return static_cast<size_t>(at - entries.begin());
}

}  // namespace

Result<ParentChain> ParentChain::open(UniqueFd nearest) noexcept {
  ParentChain chain;
  std::vector<Identity> seen;
  while (nearest) {
    const auto identity = identify(nearest.get());
    if (!identity.ok()) return identity.error();
    const bool again = std::find(seen.begin(), seen.end(), identity.value()) != seen.end();
    if (again || seen.size() == kMaxLevels) return SysError{ELOOP, "openat"};
    seen.push_back(identity.value());
    auto below = open_below(nearest.get());
    if (!below.ok()) return below.error();
    chain.levels_.push_back(std::move(nearest));
    nearest = std::move(below).value();
  }
  return chain;
}

bool ParentChain::has(const ImageId& id) const noexcept {
  return !levels_.empty() && ::faccessat(levels_.front().get(), pagemap_name(id).c_str(), R_OK, 0) == 0;
}

Result<ParentChain::Image> ParentChain::load(int directory, const std::string& name, bool writable) noexcept {
  auto map = read_pagemap(directory, name);
  if (!map.ok()) return map.error();
  Image image{std::move(map).value(), {}, {}};
  uint64_t offset = 0;
  for (const PagemapEntry& entry : image.map.entries) {
    image.offsets.push_back(offset);
    if ((entry.flags & kPresent) != 0) offset += entry.pages;
  }
  if (writable) {
    image.pages =
        UniqueFd(::openat(directory, pages_name(image.map.pages_id).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!image.pages) return SysError{errno, "openat"};
  }
  return image;
}

Result<void> ParentChain::select(const ImageId& id, bool all_levels) noexcept {
  selected_.clear();
  const size_t count = all_levels ? levels_.size() : std::min<size_t>(levels_.size(), 1);
  for (size_t i = 0; i < count; ++i) {
    auto image = load(levels_[i].get(), pagemap_name(id), all_levels);
    // A task younger than an ancestor is not in it; what lies below that ancestor is another task's of the same pid.
    if (!image.ok() && image.error().number == ENOENT) break;
    if (!image.ok()) return image.error();
    selected_.push_back(std::move(image).value());
  }
  return {};
}

bool ParentChain::covers(const PagemapEntry& run) const noexcept {
  if (selected_.empty()) return false;
  const auto& entries = selected_.front().map.entries;
  uint64_t at = run.vaddr;
  for (size_t i = first_touching(entries, at); at < run.end(); ++i) {
    if (i == entries.size() || entries[i].vaddr > at) return false;
    at = entries[i].end();
  }
  return true;
}

Result<uint64_t> ParentChain::punch(const PagemapEntry& run) noexcept {
  uint64_t punched = 0;
  for (const Image& image : selected_) {
    const auto& entries = image.map.entries;
    for (size_t i = first_touching(entries, run.vaddr); i < entries.size() && entries[i].vaddr < run.end(); ++i) {
      if ((entries[i].flags & kPresent) == 0) continue;
      const uint64_t from = std::max(run.vaddr, entries[i].vaddr);
      const uint64_t bytes = std::min(run.end(), entries[i].end()) - from;
      const uint64_t offset = image.offsets[i] * kPageSize + (from - entries[i].vaddr);
      if (retry_eintr([&] {
            return ::fallocate(image.pages.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               static_cast<off_t>(offset), static_cast<off_t>(bytes));
          }) == -1) {
        return SysError{errno, "fallocate"};
      }
      punched += bytes / kPageSize;
    }
  }
  return punched;
}

}  // namespace frazil::page
