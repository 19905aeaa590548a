#pragma once

#include <cstdint>

namespace frazil {

// Asks for turns of `ns` on the processor for the calling thread, in place of the scheduler's usual ones (2.8 ms on two processors): it gets as
// much in all, but whoever is woken meanwhile waits no longer than that. Linux 6.12; before that nothing changes. Its other attributes stay.
void take_short_turns(uint64_t ns) noexcept;

}  // namespace frazil
