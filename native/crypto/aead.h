#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "core/result.h"
#include "crypto/openssl.h"

namespace frazil::crypto {

enum class Cipher : uint8_t { aes_256_gcm, chacha20_poly1305 };

constexpr size_t kKeyBytes = 32;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

using Key = std::span<const std::byte, kKeyBytes>;
using Nonce = std::span<const std::byte, kNonceBytes>;
using Tag = std::span<std::byte, kTagBytes>;
using ConstTag = std::span<const std::byte, kTagBytes>;

// What goes along unencrypted (`associated`) and what is encrypted, of one message.
struct Message {
  std::span<const std::byte> associated;
  std::span<const std::byte> text;
};

// Authenticated encryption under one key. An object belongs to one thread at a time, and to one direction for speed: the key's
// schedule is made once. The caller never uses a nonce twice with a key to seal; what is lost otherwise is everything.
class Aead {
 public:
  enum class Use : uint8_t { seal, unseal };

  // ENOSYS without OpenSSL; EIO when it does not know the cipher (FIPS builds may refuse ChaCha20).
  static Result<Aead> open(Cipher cipher, Use use, Key key) noexcept;

  // Writes `message.text.size()` bytes to `out` (which may be the text itself) and the tag. EMSGSIZE beyond 1 GiB.
  Result<void> seal(Nonce nonce, Message message, std::byte* out, Tag tag) noexcept;
  // EBADMSG when the tag is not that of this message: `out` then holds garbage that must not be looked at.
  Result<void> unseal(Nonce nonce, Message message, std::byte* out, ConstTag tag) noexcept;

 private:
  struct Free {
    void (*function)(EvpContext*);
    void operator()(EvpContext* context) const noexcept { function(context); }
  };
  using Context = std::unique_ptr<EvpContext, Free>;

  Aead(const OpenSsl& ssl, Context context) noexcept : ssl_(ssl), context_(std::move(context)) {}

  OpenSsl ssl_;
  Context context_;
};

}  // namespace frazil::crypto
