#pragma once

#include <optional>
#include <vector>

#include "core/result.h"
#include "core/unique_fd.h"
#include "page/image_fault.h"

namespace frazil::page {

// An images directory and those below it along CRIU's `parent` links, itself first. ELOOP when they lead to a level again, ENOENT
// when one leads nowhere. Nothing at all for an empty `nearest`.
Result<std::vector<UniqueFd>> open_levels(UniqueFd nearest) noexcept;
// The same for those who say where: a fault names the level whose `parent` is wrong.
std::optional<ImageFault> open_levels(UniqueFd nearest, std::vector<UniqueFd>* levels) noexcept;

}  // namespace frazil::page
