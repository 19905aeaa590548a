#pragma once

#include <vector>

#include "archive/output.h"
#include "archive/page_members.h"
#include "page/store.h"
#include "page/zero_scan.h"

namespace frazil::archive {

// Splices pages to their place in an uncompressed archive as they come: one copy, made by the kernel. Zero pages become holes.
class PlainStore final : public page::Store {
 public:
  PlainStore(Output& output, PageMembers& members, unsigned workers, page::Counters& counters) noexcept
      : output_(output), members_(members), counters_(counters), zeros_(workers) {}

  Result<void> prepare(uint64_t, const Cancel&) noexcept override { return {}; }
  Result<void> open(page::Image& image) noexcept override;
  Result<void> rest() noexcept override { return {}; }
  Result<void> put(unsigned worker, const page::Payload& payload, page::Image& image) noexcept override;
  Result<void> settle(const Cancel& cancel) noexcept override;

 private:
  Output& output_;
  PageMembers& members_;
  page::Counters& counters_;
  std::vector<std::vector<page::ZeroStretch>> zeros_;  // what each copying thread has found
};

}  // namespace frazil::archive
