// age-encryption.org/v1, "Payload": chunks of 64 KiB, each with its tag behind it. The nonce is an 11 byte big-endian counter and a byte that
// is 1 for the last chunk only, which may be short, and empty only when the whole payload is. So nobody can cut, append or reorder.

#include <cstring>
#include <memory>
#include <new>

#include "crypto/aead.h"
#include "stream/ends.h"
#include "stream/filter.h"
#include "stream/source.h"

namespace frazil::stream {
namespace {

using crypto::Aead;

constexpr size_t kChunkBytes = size_t{64} << 10;
constexpr size_t kSealedBytes = kChunkBytes + crypto::kTagBytes;

class ChunkNonce {
 public:
  crypto::Nonce mark(bool last) noexcept {
    bytes_[crypto::kNonceBytes - 1] = std::byte{last};
    return bytes_;
  }
  // 2^64 chunks are more than any file has.
  void advance() noexcept {
    ++count_;
    for (size_t i = 0; i < sizeof count_; ++i) {
      bytes_[crypto::kNonceBytes - 2 - i] = static_cast<std::byte>(count_ >> (8 * i));
    }
  }

 private:
  std::array<std::byte, crypto::kNonceBytes> bytes_{};
  uint64_t count_ = 0;
};

// Reads chunks one ahead: whether one is the last shows only in what follows it.
class Chunks {
 public:
  Chunks(const Ends& ends, size_t size, std::byte* memory) noexcept
      : source_(ends), size_(size), now_(memory), ahead_(memory + size) {}

  Result<void> start(const Cancel& cancel) noexcept { return fetch(cancel); }
  // The next chunk; `*last` when nothing follows it.
  Result<std::span<std::byte>> next(bool* last, const Cancel& cancel) noexcept {
    std::swap(now_, ahead_);
    const size_t bytes = ahead_bytes_;
    ahead_bytes_ = 0;
    if (bytes == size_) {
      if (auto fetched = fetch(cancel); !fetched.ok()) return fetched.error();
    }
    *last = ahead_bytes_ == 0;
    return std::span(now_, bytes);
  }

 private:
  Result<void> fetch(const Cancel& cancel) noexcept {
    auto got = source_.full({ahead_, size_}, cancel);
    if (!got.ok()) return got.error();
    ahead_bytes_ = got.value();
    return {};
  }

  Source source_;
  size_t size_;
  std::byte* now_;
  std::byte* ahead_;
  size_t ahead_bytes_ = 0;
};

// `turn` makes of a chunk what is to be written of it.
template <typename Turn>
Result<void> each_chunk(const Ends& ends, size_t size, const Cancel& cancel, Counters& counters, Turn turn) noexcept {
  auto writer = Writer::over(ends.to);
  if (!writer.ok()) return writer.error();
  // A sealed chunk is longer than what it was: room behind the two.
  const std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[2 * size + kSealedBytes]);
  if (memory == nullptr) return SysError{ENOMEM, "malloc"};
  Chunks chunks(ends, size, memory.get());
  if (auto started = chunks.start(cancel); !started.ok()) return started.error();
  std::byte* const out = memory.get() + 2 * size;
  for (bool last = false; !last;) {
    auto chunk = chunks.next(&last, cancel);
    if (!chunk.ok()) return chunk.error();
    Result<size_t> made = turn(chunk.value(), last, out);
    if (!made.ok()) return made.error();
    if (auto put = writer.value().write(out, made.value(), cancel); !put.ok()) return put.error();
    counters.bytes.fetch_add(chunk.value().size(), std::memory_order_relaxed);
    counters.bytes_user.fetch_add(made.value(), std::memory_order_relaxed);
  }
  return {};
}

}  // namespace

Result<void> seal_age(AgeKey key, const Ends& ends, const Cancel& cancel, Counters& counters) noexcept {
  auto aead = Aead::open(crypto::Cipher::chacha20_poly1305, Aead::Use::seal, key);
  if (!aead.ok()) return aead.error();
  ChunkNonce nonce;
  return each_chunk(ends, kChunkBytes, cancel, counters, [&](auto chunk, bool last, std::byte* out) -> Result<size_t> {
    const crypto::Tag tag(out + chunk.size(), crypto::kTagBytes);
    if (auto sealed = aead.value().seal(nonce.mark(last), {{}, chunk}, out, tag); !sealed.ok()) return sealed.error();
    nonce.advance();
    return chunk.size() + crypto::kTagBytes;
  });
}

Result<void> unseal_age(AgeKey key, const Ends& ends, const Cancel& cancel, Counters& counters) noexcept {
  auto aead = Aead::open(crypto::Cipher::chacha20_poly1305, Aead::Use::unseal, key);
  if (!aead.ok()) return aead.error();
  ChunkNonce nonce;
  bool first = true;
  return each_chunk(ends, kSealedBytes, cancel, counters, [&](auto chunk, bool last, std::byte* out) -> Result<size_t> {
    // Less than a tag is an end in the middle; an empty last chunk is only right when it is all there is.
    if (chunk.size() < crypto::kTagBytes) return SysError{ENODATA, "read"};
    const size_t bytes = chunk.size() - crypto::kTagBytes;
    if (bytes == 0 && !first) return SysError{EBADMSG, "EVP_DecryptFinal"};
    const crypto::ConstTag tag(chunk.data() + bytes, crypto::kTagBytes);
    if (auto opened = aead.value().unseal(nonce.mark(last), {{}, chunk.first(bytes)}, out, tag); !opened.ok()) {
      return opened.error();
    }
    nonce.advance();
    first = false;
    return bytes;
  });
}

}  // namespace frazil::stream
