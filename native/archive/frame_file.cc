#include "archive/frame_file.h"

#include <cerrno>

namespace frazil::archive {
namespace {

// The seekable format of zstd's contrib/seekable_format. lz4 skips frames of the same sixteen magics.
constexpr uint32_t kSkippableMagic = 0x184d2a5e;
constexpr uint32_t kSeekableMagic = 0x8f92eab1;
constexpr size_t kFooterBytes = 9;

void put32(std::vector<std::byte>& to, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) to.push_back(static_cast<std::byte>(value >> shift));
}

}  // namespace

// Written with the mutex held: the next one cannot be written before this one anyway.
Result<void> FrameFile::commit(uint64_t at, std::span<const Entry> entries, std::span<const std::byte> frames,
                               const Cancel& cancel) noexcept {
  const std::lock_guard lock(mutex_);
  if (failure_) return *failure_;
  if (at != next_) {
    waiting_.emplace(at, Waiting{{entries.begin(), entries.end()}, {frames.begin(), frames.end()}});
    return {};
  }
  Result<void> written = append(entries, frames, cancel);
  for (auto first = waiting_.begin(); written.ok() && first != waiting_.end() && first->first == next_;) {
    written = append(first->second.entries, first->second.frames, cancel);
    first = waiting_.erase(first);
  }
  if (!written.ok()) failure_ = written.error();
  return written;
}

Result<void> FrameFile::append(std::span<const Entry> entries, std::span<const std::byte> frames,
                               const Cancel& cancel) noexcept {
  if (auto appended = output_.append(frames, cancel); !appended.ok()) return appended;
  for (const Entry& entry : entries) {
    entries_.push_back(entry);
    next_ += entry.bytes;
  }
  counters_.add(&page::Counters::bytes_out, frames.size());
  return {};
}

bool FrameFile::is_whole() const noexcept {
  const std::lock_guard lock(mutex_);
  return waiting_.empty() && !failure_;
}

std::optional<uint64_t> FrameFile::place_of(uint64_t at) const noexcept {
  const std::lock_guard lock(mutex_);
  uint64_t in_stream = 0;
  uint64_t in_file = 0;
  for (const Entry& entry : entries_) {
    if (in_stream == at) return in_file;
    in_stream += entry.bytes;
    in_file += entry.compressed;
  }
  return std::nullopt;
}

Result<void> FrameFile::append_seek_table(const Cancel& cancel) noexcept {
  const std::lock_guard lock(mutex_);
  std::vector<std::byte> table;
  table.reserve(8 + entries_.size() * sizeof(Entry) + kFooterBytes);
  put32(table, kSkippableMagic);
  put32(table, static_cast<uint32_t>(entries_.size() * sizeof(Entry) + kFooterBytes));
  for (const Entry& entry : entries_) {
    put32(table, entry.compressed);
    put32(table, entry.bytes);
  }
  put32(table, static_cast<uint32_t>(entries_.size()));
  table.push_back(std::byte{0});  // no checksums: the frames have their own
  put32(table, kSeekableMagic);
  return output_.append(table, cancel);
}

}  // namespace frazil::archive
