#include "page/joined_source.h"

#include <algorithm>

namespace frazil::page {

Result<const JoinedSource::Runs*> JoinedSource::runs_of(const ImageId& image) noexcept {
  const std::lock_guard guard(mutex_);
  const auto key = std::pair(image.kind, image.id);
  if (const auto known = images_.find(key); known != images_.end()) return &known->second;
  auto runs = remote_->lazy_runs(image);
  if (!runs.ok()) return runs.error();
  return &images_.emplace(key, std::move(runs).value()).first->second;
}

Result<std::vector<PagemapEntry>> JoinedSource::lazy_runs(const ImageId& image) noexcept {
  const auto runs = runs_of(image);
  if (!runs.ok()) return runs.error();
  return *runs.value();
}

Result<void> JoinedSource::begin(Taker& taker, const Cancel& stop) noexcept {
  taker_ = &taker;
  return remote_->begin(taker, stop);
}

std::optional<SourceFailure> JoinedSource::fetch(const Want& want, Taker& taker) noexcept {
  const auto found = runs_of(want.image);
  if (!found.ok()) return SourceFailure{found.error(), want.image, want.vaddr};
  const Runs& runs = *found.value();
  auto run =
      std::partition_point(runs.begin(), runs.end(), [&](const PagemapEntry& one) { return one.end() <= want.vaddr; });
  Want rest = want;
  for (; rest.pages > 0; ++run) {
    if (run == runs.end() || run->vaddr > rest.vaddr)
      return SourceFailure{{ENODATA, "pagemap"}, want.image, rest.vaddr};
    Want part = rest;
    part.pages = std::min(rest.pages, (run->end() - rest.vaddr) / kPageSize);
    const bool here = (run->flags & kPresent) == 0;
    if (auto failure = here ? fetch_here(part) : remote_->fetch(part, taker)) return failure;
    rest.vaddr += part.pages * kPageSize;
    rest.pages -= part.pages;
  }
  return std::nullopt;
}

std::optional<SourceFailure> JoinedSource::fetch_here(const Want& want) noexcept {
  auto failure = local_->fetch(want, *taker_);
  if (failure) ++failure->level;
  return failure;
}

}  // namespace frazil::page
