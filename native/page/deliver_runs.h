#pragma once

#include "page/source.h"

namespace frazil::page {

// Delivers pages that are in memory, zero pages as such: they are mapped then, not copied, and take no memory in the task.
Result<void> deliver_runs(const Arrival& pages, Taker& taker) noexcept;

}  // namespace frazil::page
