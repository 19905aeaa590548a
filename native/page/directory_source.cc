#include "page/directory_source.h"

#include <algorithm>

#include "page/deliver_runs.h"
#include "page/pages_file.h"

namespace frazil::page {

Result<const DirectorySource::Image*> DirectorySource::load(const ImageId& image) noexcept {
  const std::lock_guard guard(mutex_);
  const auto key = std::pair(image.kind, image.id);
  if (const auto found = images_.find(key); found != images_.end()) return &found->second;
  auto map = read_pagemap(directory_.get(), pagemap_name(image));
  if (!map.ok()) return map.error();
  Image loaded;
  uint64_t bytes = 0;
  for (const PagemapEntry& entry : map.value().entries) {
    if ((entry.flags & kPresent) == 0) continue;
    if ((entry.flags & kLazy) != 0) loaded.runs.push_back({entry, bytes});
    bytes += entry.pages * kPageSize;
  }
  auto pages = open_pages(map.value().pages_id, bytes);
  if (!pages.ok()) return pages.error();
  loaded.pages = std::move(pages).value();
  return &images_.emplace(key, std::move(loaded)).first->second;
}

Result<std::unique_ptr<StoredPages>> DirectorySource::open_pages(uint32_t pages_id, uint64_t bytes) noexcept {
  if (place_ != nullptr) return place_->open(pages_id, bytes);
  auto file = PagesFile::open(directory_.get(), pages_name(pages_id), bytes);
  if (!file.ok()) return file.error();
  return std::unique_ptr<StoredPages>(std::move(file).value());
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
    auto done = image.pages->read(run.offset + (vaddr - run.entry.vaddr), bytes);
    if (done.ok()) done = deliver_runs({want.image, vaddr, bytes.size() / kPageSize, bytes.data()}, taker);
    if (!done.ok()) return SourceFailure{done.error(), want.image, vaddr};
    vaddr += bytes.size();
  }
  return std::nullopt;
}

}  // namespace frazil::page
