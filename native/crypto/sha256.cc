#include "crypto/sha256.h"

#include <cerrno>

namespace frazil::crypto {

Result<Sha256> Sha256::open() noexcept {
  const auto ssl = load_openssl();
  if (!ssl.ok()) return ssl.error();
  const OpenSsl& evp = ssl.value();
  Context context(evp.digest_new(), {evp.digest_free});
  if (!context) return SysError{ENOMEM, "EVP_MD_CTX_new"};
  if (evp.digest_init(context.get(), evp.sha256(), nullptr) != 1) return SysError{EIO, "EVP_DigestInit"};
  return Sha256(evp, std::move(context));
}

Result<void> Sha256::update(std::span<const std::byte> bytes) noexcept {
  if (ssl_.digest_update(context_.get(), bytes.data(), bytes.size()) == 1) return {};
  return SysError{EIO, "EVP_DigestUpdate"};
}

Result<Sha256Digest> Sha256::finish() noexcept {
  Sha256Digest digest;
  unsigned int bytes = 0;
  auto* const to = reinterpret_cast<unsigned char*>(digest.data());
  if (ssl_.digest_final(context_.get(), to, &bytes) != 1) return SysError{EIO, "EVP_DigestFinal"};
  if (ssl_.digest_init(context_.get(), ssl_.sha256(), nullptr) != 1) return SysError{EIO, "EVP_DigestInit"};
  return digest;
}

}  // namespace frazil::crypto
