#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/result.h"
#include "crypto/sha256.h"

namespace frazil::archive {

// SHA-256 of the content of each member, in the order in which they are written. One thread at a time.
class MemberDigests {
 public:
  // ELIBACC without the library.
  static Result<MemberDigests> open() noexcept;

  // The member before it has ended.
  Result<void> begin() noexcept;
  Result<void> see(std::span<const std::byte> bytes) noexcept { return digest_.update(bytes); }
  // Of all members so far, the last one ended.
  Result<std::vector<crypto::Sha256Digest>> all() noexcept;

 private:
  explicit MemberDigests(crypto::Sha256 digest) noexcept : digest_(std::move(digest)) {}
  Result<void> end() noexcept;

  crypto::Sha256 digest_;
  bool open_ = false;
  std::vector<crypto::Sha256Digest> done_;
};

}  // namespace frazil::archive
