// Published vectors, and what must not pass: a byte changed anywhere.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/aead.h"
#include "crypto/sha256.h"
#include "test/tests.h"

namespace frazil {
namespace {

using crypto::Aead;
using crypto::Cipher;
using Bytes = std::vector<std::byte>;
using Use = Aead::Use;

Bytes from_hex(std::string_view hex) {
  Bytes bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

Bytes from_text(std::string_view text) {
  Bytes bytes;
  for (const char letter : text) bytes.push_back(static_cast<std::byte>(letter));
  return bytes;
}

crypto::Key key_of(const Bytes& bytes) { return crypto::Key(bytes.data(), crypto::kKeyBytes); }
crypto::Nonce nonce_of(const Bytes& bytes) { return crypto::Nonce(bytes.data(), crypto::kNonceBytes); }

struct Vector {
  const char* title;
  Cipher cipher;
  Bytes key, nonce, associated, text, sealed, tag;
};

// McGrew and Viega's test cases 13, 14 and 16 for AES-256-GCM; RFC 8439, 2.8.2.
std::vector<Vector> vectors() {
  const std::string zeros(64, '0');
  return {
      {"AES-256-GCM of nothing",
       Cipher::aes_256_gcm,
       from_hex(zeros),
       from_hex(zeros.substr(0, 24)),
       {},
       {},
       {},
       from_hex("530f8afbc74536b9a963b4f1c4cb738b")},
      {"AES-256-GCM of one block",
       Cipher::aes_256_gcm,
       from_hex(zeros),
       from_hex(zeros.substr(0, 24)),
       {},
       Bytes(16),
       from_hex("cea7403d4d606b6e074ec5d3baf39d18"),
       from_hex("d0d1c8a799996bf0265b98b5d48ab919")},
      {"AES-256-GCM with associated data", Cipher::aes_256_gcm,
       from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
       from_hex("cafebabefacedbaddecaf888"), from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
       from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
                "b16aedf5aa0de657ba637b39"),
       from_hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
                "c5f61e6393ba7a0abcc9f662"),
       from_hex("76fc6ece0f4e1768cddf8853bb2d551b")},
      {"ChaCha20-Poly1305", Cipher::chacha20_poly1305,
       from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
       from_hex("070000004041424344454647"), from_hex("50515253c0c1c2c3c4c5c6c7"),
       from_text("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
                 "sunscreen would be it."),
       from_hex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b"
                "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
                "3ff4def08e4b7a9de576d26586cec64b6116"),
       from_hex("1ae10b594f09e26a7e902ecbd0600691")},
  };
}

bool opens(const Vector& v, const Bytes& associated, const Bytes& sealed, const Bytes& tag) {
  auto aead = Aead::open(v.cipher, Use::unseal, key_of(v.key));
  Bytes out(sealed.size());
  if (!aead.ok()) return false;
  const crypto::ConstTag expected(tag.data(), crypto::kTagBytes);
  const auto opened = aead.value().unseal(nonce_of(v.nonce), {associated, sealed}, out.data(), expected);
  return opened.ok() && out == v.text;
}

void test_vector(Tests& tests, const Vector& v) {
  tests.run(v.title, [&] {
    auto aead = Aead::open(v.cipher, Use::seal, key_of(v.key));
    tests.expect(aead.ok());
    if (!aead.ok()) return;
    // Twice: the second message must not depend on the first.
    for (int i = 0; i < 2; ++i) {
      Bytes out = v.text;
      Bytes tag(crypto::kTagBytes);
      const crypto::Tag to(tag.data(), crypto::kTagBytes);
      tests.expect(aead.value().seal(nonce_of(v.nonce), {v.associated, out}, out.data(), to).ok());
      tests.expect(out == v.sealed && tag == v.tag);
    }
    tests.expect(opens(v, v.associated, v.sealed, v.tag));
  });
}

void test_tampering(Tests& tests) {
  tests.run("a changed byte of tag, text or associated data is refused", [&] {
    for (const Vector& v : vectors()) {
      const auto changed = [](Bytes bytes, size_t at) {
        bytes[at] ^= std::byte{1};
        return bytes;
      };
      for (size_t i = 0; i < v.tag.size(); ++i) tests.expect(!opens(v, v.associated, v.sealed, changed(v.tag, i)));
      for (size_t i = 0; i < v.sealed.size(); ++i) tests.expect(!opens(v, v.associated, changed(v.sealed, i), v.tag));
      for (size_t i = 0; i < v.associated.size(); ++i)
        tests.expect(!opens(v, changed(v.associated, i), v.sealed, v.tag));
    }
  });
}

void test_sha256(Tests& tests) {
  tests.run("SHA-256 of 'abc', in pieces, twice", [&] {
    auto sha = crypto::Sha256::open();
    tests.expect(sha.ok());
    if (!sha.ok()) return;
    const Bytes expected = from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (int i = 0; i < 2; ++i) {
      for (const char* piece : {"a", "", "bc"}) tests.expect(sha.value().update(from_text(piece)).ok());
      const auto digest = sha.value().finish();
      tests.expect(digest.ok() && Bytes(digest.value().begin(), digest.value().end()) == expected);
    }
  });
}

}  // namespace

void test_crypto(Tests& tests) {
  if (!crypto::load_openssl().ok()) {
    tests.skip("encryption and digests", "this machine has no libcrypto; under Node its own is used");
    return;
  }
  for (const Vector& v : vectors()) test_vector(tests, v);
  test_tampering(tests);
  test_sha256(tests);
}

}  // namespace frazil
