#include "sys/copy_range.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "sys/full_io.h"
#include "sys/retry.h"

namespace frazil {
namespace {

constexpr uint64_t kByHandBytes = uint64_t{1} << 20;

Result<void> copy_by_hand(int in, uint64_t from, int out, uint64_t to, uint64_t bytes) noexcept {
  std::vector<std::byte> buffer(std::min(bytes, kByHandBytes));
  while (bytes > 0) {
    const uint64_t step = std::min<uint64_t>(bytes, buffer.size());
    const auto got = pread_full(in, buffer.data(), step, from);
    if (!got.ok()) return got.error();
    if (got.value() < step) return SysError{EIO, "pread"};
    if (auto written = pwrite_full(out, buffer.data(), step, to); !written.ok()) return written;
    from += step;
    to += step;
    bytes -= step;
  }
  return {};
}

// EXDEV: file systems that cannot copy between each other; EINVAL and EOPNOTSUPP: one that cannot at all.
bool is_unable(int number) {
  return number == EXDEV || number == EINVAL || number == EOPNOTSUPP || number == ENOSYS || number == EPERM;
}

}  // namespace

Result<void> copy_range(int in, uint64_t from, int out, uint64_t to, uint64_t bytes) noexcept {
  while (bytes > 0) {
    auto in_at = static_cast<loff_t>(from);
    auto out_at = static_cast<loff_t>(to);
    const ssize_t n = retry_eintr([&] { return ::copy_file_range(in, &in_at, out, &out_at, bytes, 0); });
    if (n == -1 && is_unable(errno)) return copy_by_hand(in, from, out, to, bytes);
    if (n == -1) return SysError{errno, "copy_file_range"};
    if (n == 0) return SysError{EIO, "copy_file_range"};
    from += static_cast<uint64_t>(n);
    to += static_cast<uint64_t>(n);
    bytes -= static_cast<uint64_t>(n);
  }
  return {};
}

Result<std::pair<uint64_t, uint64_t>> next_data(int file, uint64_t from, uint64_t until) noexcept {
  const off_t begin = ::lseek(file, static_cast<off_t>(from), SEEK_DATA);
  if (begin == -1 && errno == ENXIO) return std::pair{until, until};
  if (begin == -1 && errno == EINVAL) return std::pair{from, until};
  if (begin == -1) return SysError{errno, "lseek"};
  if (static_cast<uint64_t>(begin) >= until) return std::pair{until, until};
  const off_t end = ::lseek(file, begin, SEEK_HOLE);
  if (end == -1) return SysError{errno, "lseek"};
  return std::pair{static_cast<uint64_t>(begin), std::min(until, static_cast<uint64_t>(end))};
}

}  // namespace frazil
