#pragma once

#include <sys/types.h>

#include "core/unique_fd.h"
#include "lazy/end_tree.h"
#include "lazy/verdict.h"

namespace frazil::lazy {

// How a server ends that has seen to everything itself; anything else is a death, and the guardian's business.
enum class Exit : int { filled = 0, failed = 3, refused = 4 };

// Splits the process in two that share one table of descriptors and nothing else. Call it while there is one thread. The child goes
// on as the server: it gets the pidfd of its guardian. The parent stays in here as the guardian, and ends with the process.
Result<UniqueFd> split(const Notes& notes, const Mouth& mouth) noexcept;

}  // namespace frazil::lazy
