#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "core/cancel.h"
#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// Larger ones are refused with EMSGSIZE. CRIU's largest answers (CPUINFO, many pids) are some KiB.
constexpr size_t kMaxMessage = size_t{1} << 20;

struct Message {
  std::vector<std::byte> bytes;
  std::vector<UniqueFd> fds;
};

// Sends one message without ever blocking (EAGAIN when the peer does not read) and without SIGPIPE (EPIPE).
Result<void> send_message(int fd, std::span<const std::byte> bytes, std::span<const int> fds) noexcept;

// Waits for one message of a SOCK_SEQPACKET socket, of whatever size: it is peeked first. Nothing when the peer has
// hung up. An empty message without fds cannot be told from that, and CRIU sends none.
Result<std::optional<Message>> receive_message(int fd, const Cancel& cancel) noexcept;

// The same without a thread: waits at most `microseconds` (below a second; 0: not at all). EAGAIN when none has come.
Result<std::optional<Message>> receive_soon(int fd, long microseconds) noexcept;

}  // namespace frazil
