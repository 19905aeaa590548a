#include "transfer/leaving.h"

#include <algorithm>

#include "page/image_file.h"
#include "sys/full_io.h"
#include "transfer/clock.h"

namespace frazil::transfer {

using page::kPageSize;

Result<void> Leaving::run(const std::vector<page::ImageId>& images, Level& level, std::vector<Worker>& workers,
                          const Cancel& cancel) noexcept {
  for (const page::ImageId& id : images) {
    if (auto opened = open(id, level); !opened.ok()) return opened;
  }
  // Without digests most of it is not even looked at.
  const size_t threads = workers.front().digester ? workers.size() : 1;
  std::deque<Reader> readers;  // the threads hold pointers to the elements
  Result<void> outcome;
  for (unsigned i = 0; i < threads; ++i) {
    Reader& reader = readers.emplace_back(Reader{this, &level, &workers, &cancel, i, {}, {}});
    auto thread = Thread::spawn("frazil-leave", reader);
    if (!thread.ok()) {
      level.fail();
      outcome = thread.error();
      break;
    }
    reader.thread = std::move(thread).value();
  }
  for (Reader& reader : readers) {
    reader.thread.join();
    // One that gave up because another failed says only that.
    const bool echo = !reader.outcome.ok() && reader.outcome.error().number == ECANCELED;
    if (!reader.outcome.ok() && (outcome.ok() || !echo)) outcome = reader.outcome;
  }
  return outcome;
}

Result<void> Leaving::open(const page::ImageId& id, Level& level) noexcept {
  const auto map = page::read_pagemap(directory_.get(), page::pagemap_name(id));
  if (!map.ok()) return map.error();
  auto file = page::reopen_image_file(directory_.get(), page::pages_name(map.value().pages_id));
  if (!file.ok()) return file.error();
  const int pages = files_.emplace_back(std::move(file).value()).get();
  page::Image& image = images_.emplace_back(id, 1);
  if (auto opened = level.open(image); !opened.ok()) return opened;
  Stretch stretch{&image, 0, 0, 0};
  for (const page::PagemapEntry& run : map.value().entries) {
    if (!image.map.append(run)) return SysError{EBADMSG, "pagemap"};
    if ((run.flags & page::kPresent) != 0) add_run(run, pages, &stretch);
  }
  return {};
}

void Leaving::add_run(const page::PagemapEntry& run, int pages, Stretch* stretch) {
  stretch->left = (run.flags & page::kLazy) != 0;
  for (stretch->vaddr = run.vaddr; stretch->vaddr < run.end(); stretch->vaddr += stretch->pages * kPageSize) {
    stretch->pages = std::min<size_t>(kMaxFramePages, (run.end() - stretch->vaddr) / kPageSize);
    items_.push_back({pages, *stretch});
    stretch->offset += stretch->pages * kPageSize;
  }
}

// Items are taken in order, so that what commit() waits for is always in somebody's hands.
Result<void> Leaving::pass_items(const Reader& reader) noexcept {
  for (;;) {
    const size_t index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= items_.size()) return {};
    const auto passed =
        reader.cancel->cancelled() ? Result<void>(SysError{ECANCELED, "pread"}) : pass(items_[index], reader);
    if (passed.ok()) continue;
    reader.level->fail();
    return passed;
  }
}

Result<void> Leaving::pass(const Item& item, const Reader& reader) noexcept {
  const Stretch& stretch = item.stretch;
  Worker& worker = (*reader.workers)[reader.index];
  if (stretch.left && !worker.digester) {
    reader.level->leave(stretch);
    return {};
  }
  const size_t bytes = stretch.pages * kPageSize;
  const uint64_t from = thread_cpu_ns();
  const auto got = pread_full(item.pages, worker.buffer.data(), bytes, stretch.offset);
  reader.level->add_read(thread_cpu_ns() - from);
  if (!got.ok()) return got.error();
  if (got.value() != bytes) return SysError{ENODATA, "pread"};
  return reader.level->pass(reader.index, stretch, stretch.pages);
}

void Leaving::Reader::operator()() noexcept {
  outcome = leaving->pass_items(*this);
  level->add_cpu(thread_cpu_ns());
}

}  // namespace frazil::transfer
