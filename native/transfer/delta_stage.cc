#include "transfer/delta_stage.h"

#include <cstring>

#include "transfer/clock.h"
#include "transfer/mean.h"

namespace frazil::transfer {
namespace {

using page::kPageSize;

// As often a run is tried all the same: the link or the tree may have changed.
constexpr unsigned kTryAgain = 16;

}  // namespace

bool DeltaStage::is_worth_it() noexcept {
  if (always_ || try_ns_ == 0 || plain_ns_ == 0) return true;
  if (++untried_ % kTryAgain == 0) return true;
  return try_ns_ < saved_ * plain_ns_;
}

std::span<const std::span<std::byte>> DeltaStage::encode(const SentPage& first,
                                                         std::span<const std::byte> pages) noexcept {
  const size_t count = pages.size() / kPageSize;
  records_.assign(count, {});
  if (!is_worth_it()) {
    forget(first, count);
    return records_;
  }
  untried_ = 0;
  buffer_.resize(count * kMaxPatchBytes);
  const uint64_t from = now_ns();
  SentPage page = first;
  for (size_t i = 0; i < count; ++i) {
    const std::span<std::byte> into = std::span(buffer_).subspan(i * kMaxPatchBytes, kMaxPatchBytes);
    records_[i] = encode_page(page, ConstPage(pages.subspan(i * kPageSize, kPageSize)), into);
    page.vaddr += kPageSize;
    ++page.place;
  }
  learn(&try_ns_, static_cast<double>(now_ns() - from) / static_cast<double>(count));
  return records_;
}

std::span<std::byte> DeltaStage::encode_page(const SentPage& page, ConstPage bytes,
                                             std::span<std::byte> into) noexcept {
  const auto delta = sent_->renew(page, bytes, DeltaBytes(into.subspan(sizeof(PatchHead))));
  if (!delta) return {};
  const bool small = delta->bytes <= kMaxDeltaBytes;
  const size_t size = sizeof(PatchHead) + (small ? delta->bytes : 0);
  learn(&saved_, small ? 1 - static_cast<double>(size) / kPageSize : 0);
  if (!small) return {};
  const PatchHead head{delta->base.place, delta->base.level, static_cast<uint32_t>(delta->bytes)};
  std::memcpy(into.data(), &head, sizeof head);
  return into.first(size);
}

void DeltaStage::forget(const SentPage& first, size_t pages) noexcept {
  for (size_t i = 0; i < pages; ++i) sent_->forget(first.image, first.vaddr + i * kPageSize);
}

void DeltaStage::sent(size_t pages, uint64_t ns) noexcept {
  if (pages > 0) learn(&plain_ns_, static_cast<double>(ns) / static_cast<double>(pages));
}

}  // namespace frazil::transfer
