#include "transfer/packing.h"

#include "transfer/clock.h"
#include "transfer/mean.h"

namespace frazil::transfer {
namespace {

// What is no smaller than that is not worth the work at the other end.
constexpr double kWorthwhile = 0.9;
// A frame in so many is packed all the same: the link or the pages may have changed.
constexpr unsigned kTryAgain = 16;

}  // namespace

Result<Packer> Packer::open(const Packing& packing) noexcept {
  auto compressor = compress::open_compressor(packing.codec, packing.level);
  if (!compressor.ok()) return compressor.error();
  return Packer(std::move(compressor).value(), packing);
}

FrameKind Packer::kind() const noexcept {
  return packing_.codec == compress::Codec::lz4 ? FrameKind::lz4 : FrameKind::zstd;
}

bool Packer::is_worth_it() noexcept {
  if (packing_.always || pack_ns_ == 0) return true;
  if (++untried_ % kTryAgain == 0) return true;
  return pack_ns_ + ratio_ * link_ns_ < link_ns_;
}

std::span<std::byte> Packer::pack(std::span<const std::byte> pages) noexcept {
  if (!is_worth_it()) return {};
  untried_ = 0;
  const uint64_t from = now_ns();
  const auto bytes = compressor_->frame(pages, packed_);
  const auto size = static_cast<double>(pages.size());
  learn(&pack_ns_, static_cast<double>(now_ns() - from) / size);
  if (!bytes.ok()) return {};
  const double ratio = static_cast<double>(bytes.value()) / size;
  learn(&ratio_, ratio);
  if (ratio > kWorthwhile) return {};
  return std::span(packed_.data(), bytes.value());
}

void Packer::sent(size_t bytes, uint64_t ns) noexcept {
  if (bytes > 0) learn(&link_ns_, static_cast<double>(ns) / static_cast<double>(bytes));
}

Result<std::span<const std::byte>> Unpacker::unpack(FrameKind kind, std::span<const std::byte> body,
                                                    uint32_t pages) noexcept {
  const auto found = decompressor(kind);
  if (!found.ok()) return found.error();
  const auto bytes = found.value()->frame(body, room(kMaxFramePages));
  if (!bytes.ok() || bytes.value() != pages * page::kPageSize) return SysError{EPROTO, "recv"};
  return std::span<const std::byte>(pages_.data(), bytes.value());
}

std::span<std::byte> Unpacker::room(uint32_t pages) noexcept {
  pages_.resize(kMaxBodyBytes);
  return std::span(pages_).first(pages * page::kPageSize);
}

Result<compress::Decompressor*> Unpacker::decompressor(FrameKind kind) noexcept {
  const bool lz4 = kind == FrameKind::lz4;
  auto& place = lz4 ? lz4_ : zstd_;
  if (!place) {
    auto opened = compress::open_decompressor(lz4 ? compress::Codec::lz4 : compress::Codec::zstd);
    if (!opened.ok()) return opened.error();
    place = std::move(opened).value();
  }
  return place.get();
}

}  // namespace frazil::transfer
