#pragma once

// A plain connection through an encrypted one: what is written into `inner` comes out of `inner` of the tunnel at the other end of `outer`. For
// the pages that stay behind at the source: they are asked for by a program that knows nothing of keys (frazil-lazy), in CRIU's page protocol.
//
// In each direction records: u32 length, as many bytes, tag. One key per direction; the nonce is the number of the record, so one that is left
// out, repeated, moved or made by somebody else does not open. What speaks inside says itself when it is finished, so the end of either
// connection is the end of the tunnel, and an orderly one looks like any other.

#include <cstdint>
#include <optional>

#include "core/cancel.h"
#include "core/unique_fd.h"
#include "crypto/aead.h"
#include "transfer/stream.h"

namespace frazil::transfer {

struct TunnelKeys {
  StreamKey out;
  StreamKey in;
};

class Tunnel {
 public:
  // ENOSYS when this process has no OpenSSL.
  static Result<Tunnel> open(UniqueFd outer, UniqueFd inner, const TunnelKeys& keys) noexcept;

  // To the end of either connection, which closes the other. EBADMSG for a record that does not open, EPROTO for one that cannot be.
  Result<void> run(const Cancel& cancel) noexcept;

 private:
  struct Way {
    Tunnel* tunnel;
    const Cancel* cancel;
    Result<void> outcome;
    void operator()() noexcept;
  };

  Tunnel(UniqueFd outer, UniqueFd inner, crypto::Aead seal, crypto::Aead unseal) noexcept
      : outer_(std::move(outer)), inner_(std::move(inner)), seal_(std::move(seal)), unseal_(std::move(unseal)) {}

  Result<void> outward(const Cancel& cancel) noexcept;
  Result<void> inward(const Cancel& cancel) noexcept;
  void shut_down() const noexcept;

  UniqueFd outer_;
  UniqueFd inner_;
  crypto::Aead seal_;
  crypto::Aead unseal_;
};

}  // namespace frazil::transfer
