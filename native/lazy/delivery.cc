#include "lazy/delivery.h"

#include <algorithm>

#include "lazy/fault_loop.h"

namespace frazil::lazy {

void Delivery::expect(const page::Want& want, const PendingFault& fault) noexcept {
  const std::lock_guard guard(mutex_);
  waiting_.push_back({want.image, want.vaddr, fault.since_ns, fault.space->tree().restored});
}

Result<void> Delivery::take(const page::Arrival& arrival) noexcept {
  filler_.count_read(arrival.pages);
  for (const SpacePtr& space : spaces_.of(arrival.image)) {
    if (auto put = filler_.put(space, arrival); !put.ok()) return put;
    filler_.retire_if_done(space);
  }
  count(arrival);
  return {};
}

void Delivery::count(const page::Arrival& arrival) noexcept {
  const std::lock_guard guard(mutex_);
  const uint64_t end = arrival.vaddr + arrival.pages * page::kPageSize;
  std::erase_if(waiting_, [&](const Waiting& one) {
    if (one.image != arrival.image || one.vaddr < arrival.vaddr || one.vaddr >= end) return false;
    count_fault(board_, one.since_ns, one.restored);
    return true;
  });
}

}  // namespace frazil::lazy
