#pragma once

#include <array>
#include <optional>
#include <span>

#include "crypto/aead.h"
#include "page/wire.h"

namespace frazil::transfer {

using PageDigest = std::array<std::byte, crypto::kTagBytes>;

// A keyed digest of a page: GMAC, the authenticator of AES-GCM, under a key that is drawn for one run and leaves the process in no
// form. Nobody outside sees a digest, so this is a universal hash with a secret key: whoever chooses both contents of a page
// makes them collide with a chance of at most 2^-119. One nonce for all of them is right here, and only here, for that reason.
// Several times as fast as SHA-256, because AES and its multiplication have instructions. One object per thread.
class PageDigester {
 public:
  static Result<PageDigester> open(crypto::Key key) noexcept;
  // `page` has kPageSize bytes.
  Result<PageDigest> of(std::span<const std::byte> page) noexcept;
  // Of a page of zeros, which is a common one.
  Result<PageDigest> of_zeros() noexcept;

 private:
  explicit PageDigester(crypto::Aead aead) noexcept : aead_(std::move(aead)) {}
  crypto::Aead aead_;
  std::optional<PageDigest> zeros_;
};

}  // namespace frazil::transfer
