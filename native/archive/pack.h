#pragma once

#include <span>

#include "archive/frame_pool.h"
#include "archive/output.h"

namespace frazil::archive {

// The whole stream of an archive, from a pipe, as frames of the output with the seek table behind them (gzip has none). A frame begins at
// every offset of `cuts`, which ascend: the pages of members. `in` counts the stream, page::Counters::bytes_out the file.
Result<void> pack(const Compression& compression, int from, std::span<const uint64_t> cuts, Output& output,
                  page::Counters& counters, const Cancel& cancel) noexcept;

}  // namespace frazil::archive
