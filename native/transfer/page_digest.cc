#include "transfer/page_digest.h"

namespace frazil::transfer {

Result<PageDigester> PageDigester::open(crypto::Key key) noexcept {
  auto aead = crypto::Aead::open(crypto::Cipher::aes_256_gcm, crypto::Aead::Use::seal, key);
  if (!aead.ok()) return aead.error();
  return PageDigester(std::move(aead).value());
}

Result<PageDigest> PageDigester::of(std::span<const std::byte> page) noexcept {
  constexpr std::array<std::byte, crypto::kNonceBytes> kNonce{};
  PageDigest digest;
  if (auto sealed = aead_.seal(kNonce, {page, {}}, nullptr, digest); !sealed.ok()) return sealed.error();
  return digest;
}

Result<PageDigest> PageDigester::of_zeros() noexcept {
  static constexpr std::array<std::byte, page::kPageSize> kZeros{};
  if (zeros_) return *zeros_;
  auto digest = of(kZeros);
  if (digest.ok()) zeros_ = digest.value();
  return digest;
}

}  // namespace frazil::transfer
