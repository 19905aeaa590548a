#pragma once

// A page as what differs from an earlier one: runs of so many bytes that are the same, so many that differ, and those, XORed with the earlier
// ones. The model is QEMU's xbzrle, whose lengths are of one to two bytes, too.
//
//   u16 the same, u16 different (at least 1), the bytes; again; what is left of the page is the same

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"
#include "page/wire.h"

namespace frazil::transfer {

// A page of which more than that is needed travels as it is: the rest of the gain is not worth the work.
constexpr size_t kMaxDeltaBytes = page::kPageSize * 3 / 4;

using ConstPage = std::span<const std::byte, page::kPageSize>;
using Page = std::span<std::byte, page::kPageSize>;
using DeltaBytes = std::span<std::byte, kMaxDeltaBytes>;

// How many bytes of `into` it took (0: the pages are the same), or more than kMaxDeltaBytes.
size_t encode_delta(ConstPage before, ConstPage now, DeltaBytes into) noexcept;

// Makes of `page`, the earlier one, the later one. EPROTO for what encode_delta() does not make; `page` is anything then.
Result<void> apply_delta(std::span<const std::byte> delta, Page page) noexcept;

}  // namespace frazil::transfer
