#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "core/result.h"
#include "crypto/openssl.h"

namespace frazil::crypto {

constexpr size_t kSha256Bytes = 32;
using Sha256Digest = std::array<std::byte, kSha256Bytes>;

// SHA-256 of what update() is given, piece by piece. After finish() it starts again.
class Sha256 {
 public:
  static Result<Sha256> open() noexcept;
  Result<void> update(std::span<const std::byte> bytes) noexcept;
  Result<Sha256Digest> finish() noexcept;

 private:
  struct Free {
    void (*function)(MdContext*);
    void operator()(MdContext* context) const noexcept { function(context); }
  };
  using Context = std::unique_ptr<MdContext, Free>;

  Sha256(const OpenSsl& ssl, Context context) noexcept : ssl_(ssl), context_(std::move(context)) {}

  OpenSsl ssl_;
  Context context_;
};

}  // namespace frazil::crypto
