#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// An anonymous file in memory. `name` is what /proc shows, at most 249 bytes.
Result<UniqueFd> open_memfd(const char* name) noexcept;

}  // namespace frazil
