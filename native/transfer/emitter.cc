#include "transfer/emitter.h"

#include <algorithm>
#include <cstring>

#include "transfer/clock.h"

namespace frazil::transfer {
namespace {

using page::kPageSize;

FrameHead head_of(FrameKind kind, const SentPage& first, size_t pages, size_t bytes) noexcept {
  return {static_cast<uint32_t>(kind), first.level, first.image, first.place, static_cast<uint32_t>(pages),
          static_cast<uint32_t>(bytes)};
}

SentPage after(SentPage page, size_t pages) noexcept {
  page.vaddr += pages * kPageSize;
  page.place += pages;
  return page;
}

}  // namespace

Result<void> Emitter::carry(const SentPage& first, std::span<std::byte> pages) noexcept {
  counters_.add(&Counters::sent_pages, pages.size() / kPageSize);
  // In the first level nothing was sent before.
  if (!worker_.delta || first.level == 0) return carry_whole(first, pages);
  const uint64_t from = thread_cpu_ns();
  const auto records = worker_.delta->encode(first, pages);
  counters_.add(&Counters::sort_ns, thread_cpu_ns() - from);
  for (size_t at = 0; at < records.size();) {
    const bool whole = records[at].empty();
    const auto begin = records.begin() + static_cast<ptrdiff_t>(at);
    const auto end = std::find_if(begin, records.end(), [&](const auto& record) { return record.empty() != whole; });
    const auto count = static_cast<size_t>(end - begin);
    const SentPage run = after(first, at);
    const auto done = whole ? carry_whole(run, pages.subspan(at * kPageSize, count * kPageSize))
                            : patch(run, records.subspan(at, count));
    if (!done.ok()) return done;
    at += count;
  }
  return {};
}

Result<void> Emitter::carry_whole(const SentPage& first, std::span<std::byte> pages) noexcept {
  const uint64_t from = now_ns();
  const size_t count = pages.size() / kPageSize;
  const std::span<std::byte> packed = worker_.packer ? worker_.packer->pack(pages) : std::span<std::byte>();
  const std::span<std::byte> body = packed.empty() ? pages : packed;
  if (!packed.empty()) counters_.add(&Counters::packed_pages, count);
  counters_.add(&Counters::body_bytes, body.size());
  const FrameKind kind = packed.empty() ? FrameKind::pages : worker_.packer->kind();
  auto sent = send(head_of(kind, first, count, body.size()), body);
  if (worker_.delta) worker_.delta->sent(count, now_ns() - from);
  return sent;
}

Result<void> Emitter::patch(const SentPage& first, std::span<const std::span<std::byte>> records) noexcept {
  // They lie in one buffer in this order, with gaps.
  std::byte* const begin = records.front().data();
  size_t bytes = 0;
  for (const auto& record : records) {
    std::memmove(begin + bytes, record.data(), record.size());
    bytes += record.size();
  }
  counters_.add(&Counters::patched_pages, records.size());
  counters_.add(&Counters::patch_bytes, bytes);
  counters_.add(&Counters::body_bytes, bytes);
  return send(head_of(FrameKind::patched, first, records.size(), bytes), std::span(begin, bytes));
}

Result<void> Emitter::zeros(const SentPage& first, size_t pages) noexcept {
  counters_.add(&Counters::zero_pages, pages);
  if (worker_.delta && first.level > 0) worker_.delta->forget(first, pages);
  return send(head_of(FrameKind::zero, first, pages, 0), {});
}

Result<void> Emitter::send(const FrameHead& head, std::span<std::byte> body) noexcept {
  const uint64_t before = worker_.stream.sent();
  const uint64_t from = now_ns();
  auto sent = worker_.stream.send(head, body, cancel_);
  const uint64_t ns = now_ns() - from;
  counters_.add(&Counters::wire_bytes, worker_.stream.sent() - before);
  counters_.add(&Counters::stall_ns, ns);
  if (worker_.packer) worker_.packer->sent(body.size(), ns);
  return sent;
}

}  // namespace frazil::transfer
