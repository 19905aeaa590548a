#include "page/parent_chain.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "page/levels.h"
#include "sys/retry.h"

namespace frazil::page {
namespace {

// The first entry that ends after `vaddr`.
size_t first_touching(const std::vector<PagemapEntry>& entries, uint64_t vaddr) {
  const auto at = std::partition_point(entries.begin(), entries.end(),
                                       [&](const PagemapEntry& entry) { return entry.end() <= vaddr; });
  return static_cast<size_t>(at - entries.begin());
}

}  // namespace

Result<ParentChain> ParentChain::open(UniqueFd nearest) noexcept {
  auto levels = open_levels(std::move(nearest));
  if (!levels.ok()) return levels.error();
  ParentChain chain;
  chain.levels_ = std::move(levels).value();
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
