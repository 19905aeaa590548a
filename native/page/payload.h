#pragma once

#include "page/image.h"

namespace frazil::page {

// Copies all of the payload into a regular file at `at`: what the pipe holds by splice, the rest by hand. EPIPE when the pipe holds less.
Result<void> write_payload(const Payload& payload, int file, uint64_t at) noexcept;

}  // namespace frazil::page
