#pragma once

#include <cstdint>

namespace frazil {

// Asks for turns of `ns` on the processor for the calling thread, in place of the scheduler's usual ones (2.8 ms on two processors): its share is the
// same, and sched_yield() gives up no more than the rest of such a turn. Linux 6.12; before that nothing changes. Its other attributes stay.
void take_short_turns(uint64_t ns) noexcept;

}  // namespace frazil
