#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <span>
#include <vector>

#include "core/unique_fd.h"

namespace frazil {

// How many fds one message may carry. CRIU sends one (orphan-pts-master, userfaultfd); the kernel allows 253.
constexpr size_t kMaxFds = 16;
constexpr size_t kFdsSpace = CMSG_SPACE(sizeof(int) * kMaxFds);

// Room for the control part of one message, aligned as the kernel wants it.
struct ControlBuffer {
  alignas(cmsghdr) std::byte bytes[kFdsSpace] = {};
};

// Takes ownership of every fd that came with a received message, also of those in a truncated (MSG_CTRUNC) one: the
// kernel has installed them in our table already.
std::vector<UniqueFd> take_fds(msghdr& message) noexcept;

// Attaches `fds` (borrowed, at most kMaxFds) to a message that is to be sent. `control` must live until it is sent.
void attach_fds(msghdr& message, ControlBuffer& control, std::span<const int> fds) noexcept;

}  // namespace frazil
