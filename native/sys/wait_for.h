#pragma once

#include <poll.h>

#include "core/cancel.h"
#include "core/result.h"

namespace frazil {

enum class Wake { ready, cancelled };

// Blocks until `fd` has one of `events` (or has hung up or failed: the next call on it will tell), or until `cancel`.
// When both happened, cancelled wins: what was there to read stays there.
Result<Wake> wait_for(int fd, short events, const Cancel& cancel) noexcept;

}  // namespace frazil
