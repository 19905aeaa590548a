#include "transfer/leaving.h"

#include <algorithm>

#include "page/image_file.h"
#include "sys/full_io.h"

namespace frazil::transfer {

using page::kPageSize;

Result<void> Leaving::run(const std::vector<page::ImageId>& images, Level& level, Worker& worker,
                          const Cancel& cancel) noexcept {
  for (const page::ImageId& id : images) {
    auto passed = pass(images_.emplace_back(id, 1), level, worker, cancel);
    if (!passed.ok()) {
      level.fail();
      return passed;
    }
  }
  return {};
}

Result<void> Leaving::pass(page::Image& image, Level& level, Worker& worker, const Cancel& cancel) noexcept {
  const auto map = page::read_pagemap(directory_.get(), page::pagemap_name(image.id));
  if (!map.ok()) return map.error();
  auto file = page::reopen_image_file(directory_.get(), page::pages_name(map.value().pages_id));
  if (!file.ok()) return file.error();
  if (auto opened = level.open(image); !opened.ok()) return opened;
  Stretch stretch{&image, 0, 0, 0};
  for (const page::PagemapEntry& run : map.value().entries) {
    if (cancel.cancelled()) return SysError{ECANCELED, "pread"};
    if (!image.map.append(run)) return SysError{EBADMSG, "pagemap"};
    if ((run.flags & page::kPresent) == 0) continue;
    if (auto passed = pass_run(run, file.value().get(), &stretch, level, worker); !passed.ok()) return passed;
  }
  return {};
}

Result<void> Leaving::pass_run(const page::PagemapEntry& run, int pages, Stretch* stretch, Level& level,
                               Worker& worker) noexcept {
  stretch->left = (run.flags & page::kLazy) != 0;
  for (stretch->vaddr = run.vaddr; stretch->vaddr < run.end(); stretch->vaddr += stretch->pages * kPageSize) {
    stretch->pages = std::min<size_t>(kMaxFramePages, (run.end() - stretch->vaddr) / kPageSize);
    const size_t bytes = stretch->pages * kPageSize;
    if (stretch->left && !worker.digester) {
      level.leave(*stretch);
    } else {
      const auto got = pread_full(pages, worker.buffer.data(), bytes, stretch->offset);
      if (!got.ok()) return got.error();
      if (got.value() != bytes) return SysError{ENODATA, "pread"};
      if (auto passed = level.pass(0, *stretch, stretch->pages); !passed.ok()) return passed;
    }
    stretch->offset += bytes;
  }
  return {};
}

}  // namespace frazil::transfer
