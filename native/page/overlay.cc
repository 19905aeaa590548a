#include "page/overlay.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "page/image_file.h"
#include "sys/full_io.h"

namespace frazil::page {
namespace {

using Page = std::string;

ImageFault outside(uint64_t vaddr) { return {.flaw = Flaw::system, .error = {EFAULT, "pread"}, .vaddr = vaddr}; }

const StoredRun* find_run(const StoredImage& image, uint64_t vaddr) {
  const auto& runs = image.runs();
  const auto run =
      std::partition_point(runs.begin(), runs.end(), [&](const StoredRun& one) { return one.end() <= vaddr; });
  return run != runs.end() && run->vaddr <= vaddr && run->stored() ? &*run : nullptr;
}

// Calls `on(address, offset in the bytes, length)` for each stretch within one page.
template <typename On>
std::optional<ImageFault> by_pages(uint64_t vaddr, size_t bytes, On on) {
  for (size_t done = 0; done < bytes;) {
    const uint64_t at = vaddr + done;
    const size_t length = std::min<size_t>(bytes - done, kPageSize - at % kPageSize);
    if (auto fault = on(at, done, length)) return fault;
    done += length;
  }
  return {};
}

// The pages that the patches touch, with the patches in them.
std::optional<ImageFault> patched(const StoredImage& image, const std::vector<Patch>& patches,
                                  std::map<uint64_t, Page>* pages) {
  for (const Patch& patch : patches) {
    const auto fault = by_pages(patch.vaddr, patch.bytes.size(), [&](uint64_t at, size_t from, size_t length) {
      const uint64_t start = at - at % kPageSize;
      const auto [page, is_new] = pages->try_emplace(start, kPageSize, '\0');
      std::optional<ImageFault> unread;
      if (is_new) unread = read_memory(image, start, &page->second);
      if (!unread) page->second.replace(at - start, length, patch.bytes, from, length);
      return unread;
    });
    if (fault) return fault;
  }
  return {};
}

// What is stored below is left to it, but for the pages that are here.
void append_run(const StoredRun& run, const std::map<uint64_t, Page>& pages, PagemapWriter& map) {
  if (!run.stored()) {
    (void)map.append({run.vaddr, run.pages, run.flags});
    return;
  }
  uint64_t at = run.vaddr;
  for (auto page = pages.lower_bound(at); page != pages.end() && page->first < run.end(); ++page) {
    if (page->first > at) (void)map.append({at, (page->first - at) / kPageSize, (run.flags & ~kPresent) | kParent});
    (void)map.append({page->first, 1, run.flags});
    at = page->first + kPageSize;
  }
  if (at < run.end()) (void)map.append({at, (run.end() - at) / kPageSize, (run.flags & ~kPresent) | kParent});
}

Result<void> write_image(int directory, const std::string& name, const StoredImage& image, uint32_t pages_id,
                         const std::map<uint64_t, Page>& pages) {
  const auto file = create_image_file(directory, pages_name(pages_id), O_WRONLY);
  if (!file.ok()) return file.error();
  PagemapWriter map(pages_id);
  for (const StoredRun& run : image.runs()) append_run(run, pages, map);
  for (const auto& [vaddr, page] : pages) {
    if (auto written = write_full(file.value().get(), page.data(), page.size()); !written.ok()) return written;
  }
  if (auto written = check_written(file.value().get()); !written.ok()) return written;
  return map.write(directory, name);
}

}  // namespace

std::optional<ImageFault> read_memory(const StoredImage& image, uint64_t vaddr, std::string* bytes) noexcept {
  return by_pages(vaddr, bytes->size(), [&](uint64_t at, size_t from, size_t length) -> std::optional<ImageFault> {
    const StoredRun* const run = find_run(image, at);
    if (run == nullptr) return outside(at);
    return image.read(*run, at - run->vaddr, bytes->data() + from, length);
  });
}

std::optional<ImageFault> overlay_images(const std::vector<UniqueFd>& levels, const std::vector<OverlayImage>& images,
                                         int directory) noexcept {
  uint32_t pages_id = 0;
  for (const auto& [name, patches] : images) {
    std::vector<ImageFault> faults;
    const auto image = StoredImage::open(levels, name, 1, &faults);
    if (!image) return faults.front();
    std::map<uint64_t, Page> pages;
    auto fault = patched(*image, patches, &pages);
    if (fault && fault->name.empty()) fault->name = name;
    if (fault) return fault;
    if (auto written = write_image(directory, name, *image, ++pages_id, pages); !written.ok())
      return ImageFault{.flaw = Flaw::system, .error = written.error(), .name = name};
  }
  return {};
}

}  // namespace frazil::page
