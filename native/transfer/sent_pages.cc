#include "transfer/sent_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace frazil::transfer {
namespace {

using page::kPageSize;

// Neighbours lie beside each other; images of a tree begin at places of their own.
constexpr uint64_t kSpread = 0x9e3779b97f4a7c15;

}  // namespace

Result<std::unique_ptr<SentPages>> SentPages::open(uint64_t bytes) noexcept {
  const size_t count = std::max<uint64_t>(1, bytes / kPageSize);
  void* pages =
      ::mmap(nullptr, count * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) return SysError{errno, "mmap"};
  return std::unique_ptr<SentPages>(new SentPages(static_cast<std::byte*>(pages), count));
}

SentPages::~SentPages() { (void)::munmap(pages_, slots_.size() * kPageSize); }

size_t SentPages::index_of(uint64_t image, uint64_t vaddr) const noexcept {
  return (vaddr / kPageSize + image * kSpread) % slots_.size();
}

Page SentPages::page_at(size_t index) const noexcept { return Page(pages_ + index * kPageSize, kPageSize); }

std::optional<SentPages::Delta> SentPages::renew(const SentPage& page, ConstPage now, DeltaBytes into) noexcept {
  const size_t index = index_of(page.image, page.vaddr);
  const std::lock_guard lock(lock_of(index));
  Slot& slot = slots_[index];
  std::optional<Delta> delta;
  const bool same = slot.image == page.image && slot.vaddr == page.vaddr;
  if (same) delta = Delta{{slot.level, slot.place}, encode_delta(page_at(index), now, into)};
  if (!same && slot.image != 0 && slot.level + 1 >= page.level) return std::nullopt;
  slot = {page.image, page.vaddr, page.level, page.place};
  std::memcpy(page_at(index).data(), now.data(), kPageSize);
  return delta;
}

void SentPages::forget(uint64_t image, uint64_t vaddr) noexcept {
  const size_t index = index_of(image, vaddr);
  const std::lock_guard lock(lock_of(index));
  if (slots_[index].image == image && slots_[index].vaddr == vaddr) slots_[index].image = 0;
}

}  // namespace frazil::transfer
