#pragma once

// The OpenSSL that is in the process already: every Node exports its own (or is linked with the system's), so nothing is linked and
// nothing is shipped. Opaque types and numbers below are those of OpenSSL 1.1.1 and 3, which keep them stable. Looked up by every
// object that needs it, because there are no globals here; it takes some microseconds.

#include "core/result.h"

namespace frazil::crypto {

struct EvpContext;  // EVP_CIPHER_CTX
struct EvpCipher;
struct MdContext;  // EVP_MD_CTX
struct Md;

// Functions return 1 for success unless they give a pointer.
struct OpenSsl {
  EvpContext* (*cipher_new)();
  void (*cipher_free)(EvpContext*);
  int (*cipher_ctrl)(EvpContext*, int type, int argument, void* pointer);
  int (*encrypt_init)(EvpContext*, const EvpCipher*, void* engine, const unsigned char* key,
                      const unsigned char* nonce);
  int (*encrypt_update)(EvpContext*, unsigned char* out, int* out_bytes, const unsigned char* in, int bytes);
  int (*encrypt_final)(EvpContext*, unsigned char* out, int* out_bytes);
  int (*decrypt_init)(EvpContext*, const EvpCipher*, void* engine, const unsigned char* key,
                      const unsigned char* nonce);
  int (*decrypt_update)(EvpContext*, unsigned char* out, int* out_bytes, const unsigned char* in, int bytes);
  int (*decrypt_final)(EvpContext*, unsigned char* out, int* out_bytes);
  const EvpCipher* (*aes_256_gcm)();
  const EvpCipher* (*chacha20_poly1305)();
  MdContext* (*digest_new)();
  void (*digest_free)(MdContext*);
  int (*digest_init)(MdContext*, const Md*, void* engine);
  int (*digest_update)(MdContext*, const void* from, size_t bytes);
  int (*digest_final)(MdContext*, unsigned char* out, unsigned int* out_bytes);
  const Md* (*sha256)();
};

// ENOSYS when this process has no OpenSSL and none can be loaded.
Result<OpenSsl> load_openssl() noexcept;

}  // namespace frazil::crypto
