#include "archive/pack.h"

#include "stream/source.h"

namespace frazil::archive {
namespace {

// Up to where the frame that begins at `at` may reach.
uint64_t end_of_frame(uint64_t at, std::span<const uint64_t>& cuts) noexcept {
  while (!cuts.empty() && cuts.front() <= at) cuts = cuts.subspan(1);
  const uint64_t full = at + kFrameBytes;
  return cuts.empty() ? full : std::min(full, cuts.front());
}

}  // namespace

Result<void> pack(const Compression& compression, int from, std::span<const uint64_t> cuts, Output& output,
                  page::Counters& counters, const Cancel& cancel) noexcept {
  FrameFile file(output, counters);
  auto started = FramePool::start(compression, file, counters, cancel);
  if (!started.ok()) return started.error();
  FramePool& pool = *started.value();
  stream::Source source({from, -1, {}});
  for (uint64_t at = 0;;) {
    auto buffer = pool.acquire(at);
    if (!buffer.ok()) return buffer.error();
    const size_t room = static_cast<size_t>(end_of_frame(at, cuts) - at);
    auto got = source.full(std::span(buffer.value()->bytes).first(room), cancel);
    if (!got.ok() || got.value() == 0) {
      pool.release(buffer.value());
      if (!got.ok()) return got.error();
      break;
    }
    buffer.value()->at = at;
    buffer.value()->filled = got.value();
    buffer.value()->pages = false;
    pool.submit(buffer.value());
    at += got.value();
    counters.add(&page::Counters::bytes_in, got.value());
    if (got.value() < room) break;
  }
  if (auto drained = pool.drain(); !drained.ok()) return drained;
  return compression.codec == compress::Codec::gzip ? Result<void>() : file.append_seek_table(cancel);
}

}  // namespace frazil::archive
