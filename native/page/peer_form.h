#pragma once

#include "core/result.h"
#include "page/wire.h"

namespace frazil::page {

// Which form of the header the CRIU uses that wrote the pagemaps of `directory`, as far as they show it: `unknown` when none is there, or
// Frazil wrote them, whose pagemaps are for both.
Result<HeaderForm> form_of_images(int directory) noexcept;

struct Acquaintance {
  HeaderForm form;
  uint64_t round_trip_ns;
};

// Makes sure that what is behind `socket` speaks the page protocol, and finds out in which form, by a question that changes nothing (PARENT).
// A CRIU of the narrow form answers as soon as it has 24 bytes of it; one of the wide form waits for the rest. `likely`: what the images say.
// ETIMEDOUT when nothing answers, ECONNRESET when it hangs up.
Result<Acquaintance> meet(int socket, HeaderForm likely) noexcept;

}  // namespace frazil::page
