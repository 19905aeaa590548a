#include "archive/seek_table.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "compress/codec.h"
#include "sys/full_io.h"

namespace frazil::archive {
namespace {

constexpr uint32_t kSkippableMagic = 0x184d2a5e;
constexpr uint32_t kSeekableMagic = 0x8f92eab1;
constexpr uint64_t kHeadBytes = 8;
constexpr uint64_t kEntryBytes = 8;
constexpr uint64_t kFooterBytes = 9;
constexpr uint64_t kMagicAt = 5;  // in the footer, behind the number of entries and the descriptor

uint32_t get32(const std::byte* from) noexcept {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);  // little-endian, as are the machines that this builds for
  return value;
}

Result<void> read_exactly(int file, void* to, size_t bytes, uint64_t at) noexcept {
  const auto got = pread_full(file, to, bytes, at);
  if (!got.ok()) return got.error();
  if (got.value() < bytes) return SysError{ENODATA, "pread"};
  return {};
}

}  // namespace

Result<std::vector<Frame>> read_seek_table(int file, uint64_t file_bytes) noexcept {
  std::array<std::byte, kFooterBytes> footer;
  if (file_bytes < kHeadBytes + kFooterBytes) return SysError{ENODATA, "seek table"};
  if (auto read = read_exactly(file, footer.data(), footer.size(), file_bytes - kFooterBytes); !read.ok())
    return read.error();
  if (get32(footer.data() + kMagicAt) != kSeekableMagic) return SysError{ENODATA, "seek table"};
  const uint64_t count = get32(footer.data());
  const uint64_t table_bytes = count * kEntryBytes + kFooterBytes;
  // Frames with checksums in the table would have longer entries; a table is never longer than its file.
  if (footer[4] != std::byte{0} || table_bytes + kHeadBytes > file_bytes) return SysError{EBADMSG, "seek table"};
  std::vector<std::byte> table(kHeadBytes + table_bytes);
  const uint64_t table_at = file_bytes - table.size();
  if (auto read = read_exactly(file, table.data(), table.size(), table_at); !read.ok()) return read.error();
  if (get32(table.data()) != kSkippableMagic || get32(table.data() + 4) != table_bytes)
    return SysError{EBADMSG, "seek table"};
  std::vector<Frame> frames;
  frames.reserve(count);
  Frame next{0, 0, 0, 0};
  for (uint64_t i = 0; i < count; ++i) {
    const std::byte* entry = table.data() + kHeadBytes + i * kEntryBytes;
    next = {next.file_at + next.file_bytes, get32(entry), next.end(), get32(entry + 4)};
    if (next.bytes > kMostFrameBytes || next.file_bytes > compress::frame_bound(kMostFrameBytes))
      return SysError{EBADMSG, "seek table"};
    frames.push_back(next);
  }
  if (next.file_at + next.file_bytes != table_at) return SysError{EBADMSG, "seek table"};
  return frames;
}

}  // namespace frazil::archive
