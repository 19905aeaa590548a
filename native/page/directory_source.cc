#include "page/directory_source.h"

#include <fcntl.h>

#include <algorithm>

#include "page/chain_stage.h"
#include "page/deliver_runs.h"
#include "page/levels.h"
#include "page/pages_file.h"

namespace frazil::page {

namespace {

// TypeScript has looked at the chain before and says where it is broken; who serves another's restore says that it is.
SysError error_of(const ImageFault& fault) noexcept {
  switch (fault.flaw) {
    case Flaw::system:
      return fault.error;
    case Flaw::pages_missing:
      return {ENOENT, "openat"};
    case Flaw::pages_short:
    case Flaw::hole_unfilled:
      return {ENODATA, "pagemap"};
    default:
      return {EBADMSG, "pagemap"};
  }
}

std::vector<AddressRange> lazy_ranges(const Pagemap& map) {
  std::vector<AddressRange> ranges;
  for (const PagemapEntry& entry : map.entries) {
    if ((entry.flags & kLazy) != 0) ranges.push_back({entry.vaddr, entry.end()});
  }
  return ranges;
}

}  // namespace

Result<const DirectorySource::Image*> DirectorySource::load(const ImageId& image) noexcept {
  const std::lock_guard guard(mutex_);
  const auto key = std::pair(image.kind, image.id);
  if (const auto found = images_.find(key); found != images_.end()) return &found->second;
  auto loaded = place_ == nullptr ? read_chain(pagemap_name(image)) : read_placed(pagemap_name(image));
  if (!loaded.ok()) return loaded.error();
  return &images_.emplace(key, std::move(loaded).value()).first->second;
}

Result<DirectorySource::Image> DirectorySource::read_placed(const std::string& name) noexcept {
  auto map = read_pagemap(directory_.get(), name);
  if (!map.ok()) return map.error();
  Image image;
  uint64_t bytes = 0;
  for (const PagemapEntry& entry : map.value().entries) {
    if ((entry.flags & kPresent) == 0) continue;
    if ((entry.flags & kLazy) != 0) image.runs.push_back({entry, 0, bytes});
    bytes += entry.pages * kPageSize;
  }
  auto pages = place_->open(map.value().pages_id, bytes);
  if (!pages.ok()) return pages.error();
  image.pages.push_back(std::move(pages).value());
  return image;
}

Result<DirectorySource::Image> DirectorySource::read_chain(const std::string& name) noexcept {
  if (levels_.empty()) {
    UniqueFd nearest(::fcntl(chain_ ? chain_.get() : directory_.get(), F_DUPFD_CLOEXEC, 0));
    if (!nearest) return SysError{errno, "fcntl"};
    auto levels = open_levels(std::move(nearest));
    if (!levels.ok()) return levels.error();
    levels_ = std::move(levels).value();
  }
  std::vector<ImageFault> faults;
  const auto stored = StoredImage::open(levels_, name, 1, &faults);
  if (!stored) return error_of(faults.front());
  std::vector<StoredRun> runs = stored->runs();
  if (chain_) {
    const auto map = read_pagemap(directory_.get(), name);
    if (!map.ok()) return map.error();
    runs = mark_lazy(runs, lazy_ranges(map.value()));
  }
  Image image;
  for (const StoredRun& run : runs) {
    if (run.stored() && (run.flags & kLazy) != 0)
      image.runs.push_back({{run.vaddr, run.pages, run.flags}, run.level, run.offset});
  }
  std::vector<std::string> names;
  for (uint32_t level = 0; level < stored->depth(); ++level) names.push_back(stored->file_name(level));
  if (auto opened = open_pages(image, names); !opened.ok()) return opened.error();
  return image;
}

Result<void> DirectorySource::open_pages(Image& image, const std::vector<std::string>& names) noexcept {
  std::vector<uint64_t> needed(names.size());
  for (const Run& run : image.runs)
    needed[run.level] = std::max(needed[run.level], run.offset + run.entry.pages * kPageSize);
  image.pages.resize(names.size());
  for (size_t level = 0; level < names.size(); ++level) {
    if (needed[level] == 0) continue;
    auto file = PagesFile::open(levels_[level].get(), names[level], needed[level]);
    if (!file.ok()) return file.error();
    image.pages[level] = std::move(file).value();
  }
  return {};
}

Result<std::vector<PagemapEntry>> DirectorySource::lazy_runs(const ImageId& image) noexcept {
  const auto loaded = load(image);
  if (!loaded.ok()) return loaded.error();
  std::vector<PagemapEntry> runs;
  runs.reserve(loaded.value()->runs.size());
  for (const Run& run : loaded.value()->runs) runs.push_back(run.entry);
  return runs;
}

std::optional<SourceFailure> DirectorySource::fetch(const Want& want, Taker& taker) noexcept {
  const auto loaded = load(want.image);
  if (!loaded.ok()) return SourceFailure{loaded.error(), want.image, want.vaddr};
  const Image& image = *loaded.value();
  auto run = std::partition_point(image.runs.begin(), image.runs.end(),
                                  [&](const Run& one) { return one.entry.end() <= want.vaddr; });
  Want rest = want;
  for (; rest.pages > 0; ++run) {
    if (run == image.runs.end() || run->entry.vaddr > rest.vaddr)
      return SourceFailure{{ENODATA, "pagemap"}, want.image, rest.vaddr};
    Want part = rest;
    part.pages = std::min(rest.pages, (run->entry.end() - rest.vaddr) / kPageSize);
    if (auto failure = deliver(image, *run, part, taker)) return failure;
    rest.vaddr += part.pages * kPageSize;
    rest.pages -= part.pages;
  }
  return std::nullopt;
}

std::optional<SourceFailure> DirectorySource::deliver(const Image& image, const Run& run, const Want& want,
                                                      Taker& taker) noexcept {
  auto buffer = buffers_.borrow();
  if (!buffer.ok()) return SourceFailure{buffer.error(), want.image, want.vaddr};
  const uint64_t end = want.vaddr + want.pages * kPageSize;
  for (uint64_t vaddr = want.vaddr; vaddr < end;) {
    const auto bytes = buffer.value().bytes().first(std::min(PageBuffers::kBytes, end - vaddr));
    auto done = image.pages[run.level]->read(run.offset + (vaddr - run.entry.vaddr), bytes);
    if (done.ok()) done = deliver_runs({want.image, vaddr, bytes.size() / kPageSize, bytes.data()}, taker);
    if (!done.ok()) return SourceFailure{done.error(), want.image, vaddr, run.level};
    vaddr += bytes.size();
  }
  return std::nullopt;
}

}  // namespace frazil::page
