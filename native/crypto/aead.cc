#include "crypto/aead.h"

#include <cerrno>

namespace frazil::crypto {
namespace {

// EVP_CTRL_AEAD_GET_TAG and _SET_TAG. Both ciphers take a nonce of 12 bytes unless told otherwise.
constexpr int kGetTag = 0x10;
constexpr int kSetTag = 0x11;
// EVP counts in int.
constexpr size_t kMaxBytes = size_t{1} << 30;

const unsigned char* bytes_of(const std::byte* at) noexcept { return reinterpret_cast<const unsigned char*>(at); }
unsigned char* bytes_of(std::byte* at) noexcept { return reinterpret_cast<unsigned char*>(at); }

bool fits(const Message& message) noexcept {
  return message.associated.size() <= kMaxBytes && message.text.size() <= kMaxBytes;
}

// EVP refuses everything only when something is broken: a context without a key, memory that is not there.
constexpr SysError broken(const char* op) noexcept { return {EIO, op}; }

}  // namespace

Result<Aead> Aead::open(Cipher cipher, Use use, Key key) noexcept {
  const auto ssl = load_openssl();
  if (!ssl.ok()) return ssl.error();
  const OpenSsl& evp = ssl.value();
  Context context(evp.cipher_new(), {evp.cipher_free});
  if (!context) return SysError{ENOMEM, "EVP_CIPHER_CTX_new"};
  const auto* kind = cipher == Cipher::aes_256_gcm ? evp.aes_256_gcm() : evp.chacha20_poly1305();
  const auto init = use == Use::seal ? evp.encrypt_init : evp.decrypt_init;
  if (init(context.get(), kind, nullptr, bytes_of(key.data()), nullptr) != 1) return broken("EVP_CipherInit");
  return Aead(evp, std::move(context));
}

Result<void> Aead::seal(Nonce nonce, Message message, std::byte* out, Tag tag) noexcept {
  if (!fits(message)) return SysError{EMSGSIZE, "EVP_EncryptUpdate"};
  EvpContext* const context = context_.get();
  int bytes = 0;
  const auto& [associated, text] = message;
  if (ssl_.encrypt_init(context, nullptr, nullptr, nullptr, bytes_of(nonce.data())) != 1)
    return broken("EVP_EncryptInit");
  if (!associated.empty() && ssl_.encrypt_update(context, nullptr, &bytes, bytes_of(associated.data()),
                                                 static_cast<int>(associated.size())) != 1)
    return broken("EVP_EncryptUpdate");
  if (!text.empty() &&
      ssl_.encrypt_update(context, bytes_of(out), &bytes, bytes_of(text.data()), static_cast<int>(text.size())) != 1)
    return broken("EVP_EncryptUpdate");
  unsigned char none[kTagBytes];
  if (ssl_.encrypt_final(context, none, &bytes) != 1) return broken("EVP_EncryptFinal");
  if (ssl_.cipher_ctrl(context, kGetTag, kTagBytes, tag.data()) != 1) return broken("EVP_CIPHER_CTX_ctrl");
  return {};
}

Result<void> Aead::unseal(Nonce nonce, Message message, std::byte* out, ConstTag tag) noexcept {
  if (!fits(message)) return SysError{EMSGSIZE, "EVP_DecryptUpdate"};
  EvpContext* const context = context_.get();
  int bytes = 0;
  const auto& [associated, text] = message;
  if (ssl_.decrypt_init(context, nullptr, nullptr, nullptr, bytes_of(nonce.data())) != 1)
    return broken("EVP_DecryptInit");
  if (!associated.empty() && ssl_.decrypt_update(context, nullptr, &bytes, bytes_of(associated.data()),
                                                 static_cast<int>(associated.size())) != 1)
    return broken("EVP_DecryptUpdate");
  if (!text.empty() &&
      ssl_.decrypt_update(context, bytes_of(out), &bytes, bytes_of(text.data()), static_cast<int>(text.size())) != 1)
    return broken("EVP_DecryptUpdate");
  // OpenSSL only reads it.
  auto* const expected = const_cast<std::byte*>(tag.data());
  if (ssl_.cipher_ctrl(context, kSetTag, kTagBytes, expected) != 1) return broken("EVP_CIPHER_CTX_ctrl");
  unsigned char none[kTagBytes];
  if (ssl_.decrypt_final(context, none, &bytes) != 1) return SysError{EBADMSG, "EVP_DecryptFinal"};
  return {};
}

}  // namespace frazil::crypto
