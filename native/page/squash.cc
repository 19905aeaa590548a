#include "page/squash.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "page/image_file.h"
#include "sys/copy_range.h"

namespace frazil::page {
namespace {

// How long a cancel may wait for the kernel.
constexpr uint64_t kStepBytes = uint64_t{64} << 20;

ImageFault failed(SysError error, std::string name) {
  return {.flaw = Flaw::system, .error = error, .name = std::move(name)};
}

// Copies what is data between `from` and `from + bytes`; what is a hole stays one in the new file, which is empty there.
Result<void> copy_sparse(int in, uint64_t from, uint64_t bytes, int out, uint64_t to, SquashCounters& counters) {
  const uint64_t end = from + bytes;
  for (uint64_t at = from; at < end;) {
    const auto stretch = next_data(in, at, end);
    if (!stretch.ok()) return stretch.error();
    const auto [begin, until] = stretch.value();
    if (begin >= end) break;
    if (auto copied = copy_range(in, begin, out, to + (begin - from), until - begin); !copied.ok()) return copied;
    counters.bytes_copied.fetch_add(until - begin, std::memory_order_relaxed);
    at = until;
  }
  return {};
}

class Squasher {
 public:
  Squasher(int directory, SquashCounters& counters, const Cancel& cancel) noexcept
      : directory_(directory), counters_(counters), cancel_(cancel) {}

  std::optional<ImageFault> add(const StoredImage& image, const std::string& name) {
    const uint32_t pages_id = next_id_++;
    PagemapWriter map(pages_id);
    uint64_t size = 0;
    for (const StoredRun& run : image.runs()) {
      (void)map.append({run.vaddr, run.pages, run.flags});
      size += run.stored() ? run.bytes() : 0;
    }
    if (auto fault = write_pages(image, pages_name(pages_id), size)) return fault;
    if (auto written = map.write(directory_, name); !written.ok()) return failed(written.error(), name);
    if (auto synced = sync_image_file(directory_, name); !synced.ok()) return failed(synced.error(), name);
    counters_.images.fetch_add(1, std::memory_order_relaxed);
    return {};
  }

 private:
  // CRIU opens the pages file of every pagemap, also of one without any page.
  std::optional<ImageFault> write_pages(const StoredImage& image, const std::string& name, uint64_t size) {
    const auto file = create_image_file(directory_, name, O_WRONLY);
    if (!file.ok()) return failed(file.error(), name);
    const int out = file.value().get();
    if (::ftruncate(out, static_cast<off_t>(size)) == -1) return failed({errno, "ftruncate"}, name);
    uint64_t to = 0;
    for (const StoredRun& run : image.runs()) {
      if (!run.stored()) continue;
      if (auto fault = copy_run(image, run, out, to)) return fault;
      to += run.bytes();
      counters_.pages.fetch_add(run.pages, std::memory_order_relaxed);
      counters_.parent_pages.fetch_add(run.level > 0 ? run.pages : 0, std::memory_order_relaxed);
    }
    if (::fsync(out) == -1) return failed({errno, "fsync"}, name);
    return {};
  }

  std::optional<ImageFault> copy_run(const StoredImage& image, const StoredRun& run, int out, uint64_t to) {
    for (uint64_t at = 0; at < run.bytes(); at += kStepBytes) {
      const uint64_t bytes = std::min(kStepBytes, run.bytes() - at);
      const auto copied = cancel_.cancelled()
                              ? Result<void>(SysError{ECANCELED, "copy_file_range"})
                              : copy_sparse(image.file(run.level), run.offset + at, bytes, out, to + at, counters_);
      if (copied.ok()) continue;
      ImageFault fault = failed(copied.error(), image.file_name(run.level));
      fault.level = run.level;
      fault.vaddr = run.vaddr + at;
      return fault;
    }
    return {};
  }

  int directory_;
  SquashCounters& counters_;
  const Cancel& cancel_;
  uint32_t next_id_ = 1;
};

}  // namespace

std::optional<ImageFault> squash_images(const std::vector<UniqueFd>& levels, const std::vector<std::string>& names,
                                        int directory, SquashCounters& counters, const Cancel& cancel) noexcept {
  std::vector<StoredImage> images;
  std::vector<ImageFault> faults;
  for (const std::string& name : names) {
    auto image = StoredImage::open(levels, name, 1, &faults);
    if (!image) return faults.front();
    counters.bytes_total += image->pages() * kPageSize;
    images.push_back(std::move(*image));
  }
  Squasher squasher(directory, counters, cancel);
  for (size_t i = 0; i < images.size(); ++i) {
    if (auto fault = squasher.add(images[i], names[i])) return fault;
  }
  return {};
}

}  // namespace frazil::page
