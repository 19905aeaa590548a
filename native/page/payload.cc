#include "page/payload.h"

#include "sys/full_io.h"
#include "sys/splice.h"

namespace frazil::page {

Result<void> write_payload(const Payload& payload, int file, uint64_t at) noexcept {
  auto to = static_cast<loff_t>(at);
  for (size_t left = payload.piped; left > 0;) {
    const auto moved = splice_bytes(payload.pipe, file, &to, left);
    if (!moved.ok()) return moved.error();
    if (moved.value() == 0) return SysError{EPIPE, "splice"};
    left -= moved.value();
  }
  return pwrite_full(file, payload.rest.data(), payload.rest.size(), at + payload.piped);
}

}  // namespace frazil::page
