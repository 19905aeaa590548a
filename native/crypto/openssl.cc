#include "crypto/openssl.h"

#include <dlfcn.h>

#include <cerrno>

namespace frazil::crypto {
namespace {

template <typename Function>
bool find(void* library, const char* name, Function* function) noexcept {
  *function = reinterpret_cast<Function>(::dlsym(library, name));
  return *function != nullptr;
}

bool find_ciphers(void* library, OpenSsl* found) noexcept {
  return find(library, "EVP_CIPHER_CTX_new", &found->cipher_new) &&
         find(library, "EVP_CIPHER_CTX_free", &found->cipher_free) &&
         find(library, "EVP_CIPHER_CTX_ctrl", &found->cipher_ctrl) &&
         find(library, "EVP_EncryptInit_ex", &found->encrypt_init) &&
         find(library, "EVP_EncryptUpdate", &found->encrypt_update) &&
         find(library, "EVP_EncryptFinal_ex", &found->encrypt_final) &&
         find(library, "EVP_DecryptInit_ex", &found->decrypt_init) &&
         find(library, "EVP_DecryptUpdate", &found->decrypt_update) &&
         find(library, "EVP_DecryptFinal_ex", &found->decrypt_final) &&
         find(library, "EVP_aes_256_gcm", &found->aes_256_gcm) &&
         find(library, "EVP_chacha20_poly1305", &found->chacha20_poly1305);
}

bool find_digests(void* library, OpenSsl* found) noexcept {
  return find(library, "EVP_MD_CTX_new", &found->digest_new) && find(library, "EVP_MD_CTX_free", &found->digest_free) &&
         find(library, "EVP_DigestInit_ex", &found->digest_init) &&
         find(library, "EVP_DigestUpdate", &found->digest_update) &&
         find(library, "EVP_DigestFinal_ex", &found->digest_final) && find(library, "EVP_sha256", &found->sha256);
}

bool find_all(void* library, OpenSsl* found) noexcept {
  return library != nullptr && find_ciphers(library, found) && find_digests(library, found);
}

}  // namespace

Result<OpenSsl> load_openssl() noexcept {
  OpenSsl found{};
  // The program's own symbols first. RTLD_DEFAULT is a null pointer in glibc, and no failure.
  if (find_ciphers(RTLD_DEFAULT, &found) && find_digests(RTLD_DEFAULT, &found)) return found;
  // A Node that hides them, and the C++ tests. Kept for good: objects made with it may outlive any caller that could close it.
  for (const char* name : {"libcrypto.so.3", "libcrypto.so.1.1"}) {
    if (find_all(::dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), &found)) return found;
  }
  return SysError{ENOSYS, "dlsym"};
}

}  // namespace frazil::crypto
