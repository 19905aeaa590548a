#pragma once

// A connection to a peer that has pages: what is set on it, and short messages, which fit into its buffers.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil::page {

// A machine that has died is found out within half a minute; a peer that is merely stopped is waited for. From now on its last close is a
// reset, until end_orderly().
void prepare_peer(int socket) noexcept;
void end_orderly(UniqueFd socket) noexcept;

struct Said {
  int socket;
  std::span<const std::byte> bytes;
};
// EAGAIN when the buffers are full, which they are not by what we say.
Result<void> say(const Said& what) noexcept;
// False when no byte of it has come in time; ETIMEDOUT when some has, ECONNRESET at the end.
Result<bool> hear(int socket, int32_t* number, std::chrono::milliseconds patience) noexcept;
// False when nothing has come in time.
Result<bool> wait_readable(int socket, std::chrono::steady_clock::time_point until) noexcept;

}  // namespace frazil::page
