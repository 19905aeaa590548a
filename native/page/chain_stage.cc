#include "page/chain_stage.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "page/image_file.h"
#include "page/page_buffers.h"
#include "sys/full_io.h"

namespace frazil::page {
namespace {

ImageFault failed(SysError error, const std::string& name) {
  return {.flaw = Flaw::system, .error = error, .name = name};
}

std::optional<ImageFault> copy_run(const StoredImage& image, const StoredRun& run, int file, uint64_t offset) {
  std::vector<std::byte> buffer(std::min<uint64_t>(run.bytes(), PageBuffers::kBytes));
  for (uint64_t done = 0; done < run.bytes();) {
    const size_t bytes = std::min<uint64_t>(buffer.size(), run.bytes() - done);
    if (auto fault = image.read(run, done, buffer.data(), bytes)) return fault;
    if (auto wrote = pwrite_full(file, buffer.data(), bytes, offset + done); !wrote.ok())
      return failed(wrote.error(), "");
    done += bytes;
  }
  return {};
}

std::optional<ImageFault> stage_image(const StoredImage& image, const std::vector<StoredRun>& runs, uint32_t pages_id,
                                      int directory) {
  const std::string pages = pages_name(pages_id);
  const auto file = create_image_file(directory, pages, O_WRONLY);
  if (!file.ok()) return failed(file.error(), pages);
  uint64_t offset = 0;
  for (const StoredRun& run : runs) {
    if (!run.stored()) continue;
    if ((run.flags & kLazy) == 0) {
      if (auto fault = copy_run(image, run, file.value().get(), offset)) return fault;
    }
    offset += run.bytes();
  }
  if (::ftruncate(file.value().get(), static_cast<off_t>(offset)) == -1)
    return failed({errno, "ftruncate"}, pages);
  return {};
}

std::optional<ImageFault> write_map(const std::vector<StoredRun>& runs, uint32_t pages_id, int directory,
                                    const std::string& name) {
  PagemapWriter map(pages_id);
  for (const StoredRun& run : runs) (void)map.append({run.vaddr, run.pages, run.flags});
  if (auto written = map.write(directory, name); !written.ok()) return failed(written.error(), name);
  return {};
}

}  // namespace

std::vector<StoredRun> mark_lazy(const std::vector<StoredRun>& runs, const std::vector<AddressRange>& lazy) {
  std::vector<StoredRun> out;
  out.reserve(runs.size());
  auto range = lazy.begin();
  for (const StoredRun& run : runs) {
    for (uint64_t at = run.vaddr; at < run.end();) {
      while (range != lazy.end() && range->to <= at) ++range;
      const bool inside = range != lazy.end() && range->from <= at;
      const uint64_t limit = range == lazy.end() ? run.end() : inside ? range->to : range->from;
      StoredRun part = run;
      part.vaddr = at;
      part.pages = (std::min(limit, run.end()) - at) / kPageSize;
      part.offset += at - run.vaddr;
      if (inside && part.stored()) part.flags |= kLazy;
      out.push_back(part);
      at = part.end();
    }
  }
  return out;
}

std::optional<ImageFault> stage_chain(const std::vector<UniqueFd>& levels, const std::vector<StagedImage>& images,
                                      int directory) noexcept {
  uint32_t pages_id = 0;
  for (const auto& [name, lazy] : images) {
    std::vector<ImageFault> faults;
    const auto image = StoredImage::open(levels, name, 1, &faults);
    if (!image) return faults.front();
    const auto runs = mark_lazy(image->runs(), lazy);
    if (auto fault = stage_image(*image, runs, ++pages_id, directory)) return fault;
    if (auto fault = write_map(runs, pages_id, directory, name)) return fault;
  }
  return {};
}

std::vector<std::string> unmarked(int directory, const std::vector<std::string>& names, const Cancel& cancel) noexcept {
  std::vector<std::string> found;
  for (const std::string& name : names) {
    if (cancel.cancelled()) break;
    const auto map = read_pagemap(directory, name);
    if (!map.ok() || map.value().entries.empty()) continue;
    const auto& entries = map.value().entries;
    if (std::none_of(entries.begin(), entries.end(), [](const auto& one) { return (one.flags & kLazy) != 0; }))
      found.push_back(name);
  }
  return found;
}

std::optional<ImageFault> mark_pagemaps(int directory, const std::vector<StagedImage>& images) noexcept {
  for (const auto& [name, lazy] : images) {
    ImageFault fault{};
    const auto map = read_pagemap(directory, name, &fault);
    if (!map) return fault;
    std::vector<StoredRun> runs;
    runs.reserve(map->entries.size());
    for (const PagemapEntry& entry : map->entries) runs.push_back({entry.vaddr, entry.pages, entry.flags, 0, 0});
    if (auto failure = write_map(mark_lazy(runs, lazy), map->pages_id, directory, name)) return failure;
  }
  return {};
}

}  // namespace frazil::page
