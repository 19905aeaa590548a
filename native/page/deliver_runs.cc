#include "page/deliver_runs.h"

#include "page/zero_scan.h"

namespace frazil::page {

Result<void> deliver_runs(const Arrival& pages, Taker& taker) noexcept {
  for (uint64_t at = 0; at < pages.pages;) {
    const std::byte* bytes = pages.bytes + at * kPageSize;
    const ZeroRun run = first_run({bytes, (pages.pages - at) * kPageSize});
    auto taken = taker.take({pages.image, pages.vaddr + at * kPageSize, run.pages, run.zero ? nullptr : bytes});
    if (!taken.ok()) return taken;
    at += run.pages;
  }
  return {};
}

}  // namespace frazil::page
