#include "page/byte_search.h"

#include <algorithm>
#include <cstring>

namespace frazil::page {
namespace {

// Vectors as the compiler has them: SSE2 on x86-64, NEON on arm64, without a line for either.
typedef uint8_t Vector __attribute__((vector_size(16)));
typedef uint64_t Halves __attribute__((vector_size(16)));
constexpr size_t kVector = sizeof(Vector);
constexpr size_t kBlock = 4 * kVector;

// Vectors are passed by reference: by value they would need an ABI that depends on the processor.
inline void load(const uint8_t* from, Vector* to) { std::memcpy(to, from, sizeof *to); }

inline void splat(uint8_t byte, Vector* to) { std::memset(to, byte, sizeof *to); }

// How common a byte is in memory: zeros before all, then what pointers and small numbers are made of, then text.
int commonness(uint8_t byte) {
  if (byte == 0) return 6;
  if (byte == 0xff) return 5;
  if (byte < 0x10 || byte == ' ') return 4;
  if (byte == 0x7f || byte == 0x55 || byte == 0x56) return 4;
  if (std::strchr("etaoinsr", byte) != nullptr) return 3;
  if (byte >= 'a' && byte <= 'z') return 2;
  return byte < 0x80 ? 1 : 0;
}

}  // namespace

BytePattern::BytePattern(std::string bytes) noexcept : bytes_(std::move(bytes)), first_(0), second_(0) {
  const auto rank = [&](size_t i) { return commonness(static_cast<uint8_t>(bytes_[i])); };
  for (size_t i = 1; i < bytes_.size(); ++i) {
    if (rank(i) < rank(first_)) first_ = i;
  }
  second_ = first_ == 0 ? bytes_.size() - 1 : 0;
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (i != first_ && rank(i) < rank(second_)) second_ = i;
  }
  if (first_ > second_) std::swap(first_, second_);
}

bool BytePattern::fits(const uint8_t* at) const noexcept { return std::memcmp(at, bytes_.data(), bytes_.size()) == 0; }

size_t BytePattern::find(std::span<const uint8_t> text, size_t from) const noexcept {
  if (text.size() < bytes_.size()) return text.size();
  const uint8_t* const data = text.data();
  const size_t last = text.size() - bytes_.size();  // the last place where it can begin
  Vector one;
  Vector two;
  splat(static_cast<uint8_t>(bytes_[first_]), &one);
  splat(static_cast<uint8_t>(bytes_[second_]), &two);
  size_t at = from;
  for (; at + kBlock <= last + 1; at += kBlock) {
    Vector hits{};
    for (size_t i = 0; i < kBlock; i += kVector) {
      Vector a;
      Vector b;
      load(data + at + i + first_, &a);
      load(data + at + i + second_, &b);
      hits |= static_cast<Vector>(a == one) & static_cast<Vector>(b == two);
    }
    Halves halves;
    std::memcpy(&halves, &hits, sizeof halves);
    if ((halves[0] | halves[1]) == 0) continue;
    for (size_t i = at; i < at + kBlock; ++i) {
      if (data[i + first_] == static_cast<uint8_t>(bytes_[first_]) && fits(data + i)) return i;
    }
  }
  for (; at <= last; ++at) {
    if (fits(data + at)) return at;
  }
  return text.size();
}

}  // namespace frazil::page
