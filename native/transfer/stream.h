#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/cancel.h"
#include "core/unique_fd.h"
#include "crypto/aead.h"
#include "transfer/frame.h"

namespace frazil::transfer {

using StreamKey = std::array<std::byte, crypto::kKeyBytes>;

// One connection and, unless it is plaintext, the key of its only direction. The nonce is the number of the frame on this stream:
// a frame that is left out, repeated or moved does not open. Used by one thread at a time.
class OutgoingStream {
 public:
  // Plaintext without a key. ENOSYS when this process has no OpenSSL.
  static Result<OutgoingStream> open(UniqueFd socket, const std::optional<StreamKey>& key) noexcept;

  // Sends all of it, waiting for the peer as long as it takes. `body` has head.bytes bytes, and is overwritten.
  Result<void> send(const FrameHead& head, std::span<std::byte> body, const Cancel& cancel) noexcept;
  // Bytes on the wire so far.
  uint64_t sent() const noexcept { return sent_; }
  // The peer, and whoever waits here, see the end.
  void shut_down() const noexcept;

 private:
  OutgoingStream(UniqueFd socket, std::optional<crypto::Aead> aead) noexcept
      : socket_(std::move(socket)), aead_(std::move(aead)) {}

  UniqueFd socket_;
  std::optional<crypto::Aead> aead_;
  uint64_t frames_ = 0;
  uint64_t sent_ = 0;
};

class IncomingStream {
 public:
  static Result<IncomingStream> open(UniqueFd socket, const std::optional<StreamKey>& key) noexcept;

  // The next frame; its body is good until the next call. EPROTO for a head that cannot be, EBADMSG for a frame that was not made
  // with our key, ECONNRESET when the peer has gone.
  Result<FrameHead> receive(std::span<const std::byte>* body, const Cancel& cancel) noexcept;
  uint64_t received() const noexcept { return received_; }
  void shut_down() const noexcept;

 private:
  IncomingStream(UniqueFd socket, std::optional<crypto::Aead> aead) noexcept
      : socket_(std::move(socket)), aead_(std::move(aead)), body_(kMaxBodyBytes + crypto::kTagBytes) {}
  Result<void> read(void* to, size_t bytes, const Cancel& cancel) noexcept;

  UniqueFd socket_;
  std::optional<crypto::Aead> aead_;
  std::vector<std::byte> body_;
  uint64_t frames_ = 0;
  uint64_t received_ = 0;
};

}  // namespace frazil::transfer
