#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "compress/codec.h"
#include "core/cancel.h"
#include "core/result.h"
#include "stream/copy.h"

// Filters between two fds: pipes join them, and each runs on a thread of its own. `bytes` counts what went in, `bytes_user` what came
// out. All of them read to the end of `from`; EPIPE is that nobody wants more.

namespace frazil::stream {

struct Ends {
  int from;
  int to;
  // What was read from `from` already, to find out what it is.
  std::span<const std::byte> prefix;
};

// EBADMSG when it is damaged, ENODATA when it ends in the middle.
Result<void> decompress(compress::Codec codec, const Ends& ends, const Cancel& cancel, Counters& counters) noexcept;

constexpr size_t kAgeKeyBytes = 32;
using AgeKey = std::span<const std::byte, kAgeKeyBytes>;

// The payload of an age file: ChaCha20-Poly1305 over chunks of 64 KiB, numbered, the last one marked.
Result<void> seal_age(AgeKey key, const Ends& ends, const Cancel& cancel, Counters& counters) noexcept;
// EBADMSG when a chunk is not as it was sealed, ENODATA when the last one is missing.
Result<void> unseal_age(AgeKey key, const Ends& ends, const Cancel& cancel, Counters& counters) noexcept;

}  // namespace frazil::stream
