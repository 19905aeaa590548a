// Four ways, from the cheapest on:
//
//   file to file      copy_file_range: the blocks are shared where the file system can, else copied inside the kernel; ranges that are
//                     holes are stepped over. Between file systems sendfile does it.
//   file to pipe      splice: page cache pages, by reference
//   pipe to anything  splice
//   the rest          over a buffer: when somebody wants to see the bytes, when zeros shall become holes, and for sockets as a source

#include "stream/copy.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <new>
#include <span>

#include "page/zero_scan.h"
#include "stream/ends.h"
#include "sys/retry.h"
#include "sys/splice.h"
#include "sys/wait_for.h"

namespace frazil::stream {
namespace {

// How long a cancel may have to wait for a disk: a fraction of a second.
constexpr size_t kPieceBytes = size_t{16} << 20;
// Fits the second-level cache, so that whoever looks at the bytes finds them there.
constexpr size_t kBufferBytes = size_t{256} << 10;

size_t piece_of(uint64_t left, size_t most) noexcept { return static_cast<size_t>(std::min<uint64_t>(left, most)); }

bool is_elsewhere(int number) noexcept {
  return number == EXDEV || number == EINVAL || number == EOPNOTSUPP || number == ENOSYS;
}

// Where the file ends when it ends before we are done, and the end of the hole that starts at `offset`, or `offset` itself.
uint64_t data_from(int file, uint64_t offset, uint64_t end) noexcept {
  const off_t found = ::lseek(file, static_cast<off_t>(offset), SEEK_DATA);
  if (found >= 0) return std::min(static_cast<uint64_t>(found), end);
  // ENXIO: nothing but a hole to the end of the file. Others: the file system does not know, so everything is data.
  if (errno != ENXIO) return offset;
  const off_t size = ::lseek(file, 0, SEEK_END);
  return size > static_cast<off_t>(offset) ? std::min(static_cast<uint64_t>(size), end) : offset;
}

uint64_t hole_from(int file, uint64_t offset, uint64_t end) noexcept {
  const off_t found = ::lseek(file, static_cast<off_t>(offset), SEEK_HOLE);
  return found > static_cast<off_t>(offset) ? std::min(static_cast<uint64_t>(found), end) : end;
}

// One extent of data, at the position of `to`. Fewer at the end of the file.
Result<uint64_t> copy_extent(const Route& route, uint64_t offset, uint64_t bytes, const Cancel& cancel,
                             Counters& counters) noexcept {
  bool ranges = true;
  uint64_t done = 0;
  while (done < bytes) {
    if (cancel.cancelled()) return SysError{ECANCELED, "copy_file_range"};
    auto at = static_cast<loff_t>(offset + done);
    const size_t piece = piece_of(bytes - done, kPieceBytes);
    const ssize_t n = retry_eintr([&] {
      return ranges ? ::copy_file_range(route.from, &at, route.to, nullptr, piece, 0)
                    : ::sendfile(route.to, route.from, &at, piece);
    });
    if (n == -1 && ranges && is_elsewhere(errno)) {
      ranges = false;
      continue;
    }
    if (n == -1) return SysError{errno, ranges ? "copy_file_range" : "sendfile"};
    if (n == 0) break;
    done += static_cast<uint64_t>(n);
    counters.bytes.fetch_add(static_cast<uint64_t>(n), std::memory_order_relaxed);
  }
  return done;
}

// A hole of `bytes` at the position of `to`: a hole there, also at its end.
Result<void> make_hole(int to, uint64_t bytes) noexcept {
  const off_t end = ::lseek(to, static_cast<off_t>(bytes), SEEK_CUR);
  if (end == -1) return SysError{errno, "lseek"};
  const off_t size = ::lseek(to, 0, SEEK_END);
  if (size < end && ::ftruncate(to, end) == -1) return SysError{errno, "ftruncate"};
  return ::lseek(to, end, SEEK_SET) == -1 ? Result<void>(SysError{errno, "lseek"}) : Result<void>();
}

Result<uint64_t> file_to_file(const Route& route, uint64_t bytes, const Cancel& cancel, Counters& counters) noexcept {
  const auto start = static_cast<uint64_t>(route.from_offset);
  const off_t size = ::lseek(route.from, 0, SEEK_END);
  if (size == -1) return SysError{errno, "lseek"};
  const uint64_t whole = std::max(static_cast<uint64_t>(size), start);
  const uint64_t end = bytes > whole - start ? whole : start + bytes;
  for (uint64_t at = start; at < end;) {
    const uint64_t data = data_from(route.from, at, end);
    if (data > at) {
      if (auto made = make_hole(route.to, data - at); !made.ok()) return made.error();
      counters.bytes.fetch_add(data - at, std::memory_order_relaxed);
    }
    at = data;
    if (at == end) break;
    const uint64_t hole = hole_from(route.from, at, end);
    auto copied = copy_extent(route, at, hole - at, cancel, counters);
    if (!copied.ok()) return copied;
    at += copied.value();
    if (at < hole) return at - start;  // it has become shorter meanwhile
  }
  return end - start;
}

Result<size_t> splice_piece(const Route& route, int64_t* offset, size_t bytes) noexcept {
  if (*offset < 0) return splice_bytes(route.from, route.to, nullptr, bytes);
  loff_t at = *offset;
  const ssize_t n = retry_eintr(
      [&] { return ::splice(route.from, &at, route.to, nullptr, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK); });
  if (n == -1) return SysError{errno, "splice"};
  *offset += n;
  return static_cast<size_t>(n);
}

// EAGAIN does not say which end is not ready: wait for data, then for room.
Result<void> wait_for_both(const Route& route, const Cancel& cancel) noexcept {
  const std::pair<int, short> ends[] = {{route.from_offset < 0 ? route.from : -1, POLLIN}, {route.to, POLLOUT}};
  for (const auto& [fd, events] : ends) {
    if (fd == -1) continue;
    auto wake = wait_for(fd, events, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "splice"};
  }
  return {};
}

Result<uint64_t> splice_all(const Route& route, uint64_t bytes, const Cancel& cancel, Counters& counters) noexcept {
  int64_t offset = route.from_offset;
  uint64_t done = 0;
  while (done < bytes) {
    if (cancel.cancelled()) return SysError{ECANCELED, "splice"};
    auto moved = splice_piece(route, &offset, piece_of(bytes - done, kPieceBytes));
    if (moved.ok() && moved.value() == 0) break;
    if (moved.ok()) {
      done += moved.value();
      counters.bytes.fetch_add(moved.value(), std::memory_order_relaxed);
    } else if (moved.error().number == EAGAIN) {
      if (auto waited = wait_for_both(route, cancel); !waited.ok()) return waited.error();
    } else {
      return moved.error();
    }
  }
  return done;
}

// Long stretches of zeros are stepped over. What is behind the last whole page is data.
Result<void> write_sparse(Writer& writer, int to, std::span<const std::byte> bytes, const Cancel& cancel) noexcept {
  while (bytes.size() >= page::kPageSize) {
    const page::ZeroRun run = page::first_run(bytes.first(bytes.size() / page::kPageSize * page::kPageSize));
    const size_t length = run.pages * page::kPageSize;
    auto done = run.zero && run.pages >= page::kMinHolePages ? make_hole(to, length)
                                                             : writer.write(bytes.data(), length, cancel);
    if (!done.ok()) return done.error();
    bytes = bytes.subspan(length);
  }
  return writer.write(bytes.data(), bytes.size(), cancel);
}

// As much as there is room for, unless `from` ends: zeros are found in whole pages.
Result<size_t> fill(const Route& route, int64_t* offset, std::span<std::byte> room, const Cancel& cancel) noexcept {
  size_t filled = 0;
  while (filled < room.size()) {
    auto got = read_some(route.from, offset, room.data() + filled, room.size() - filled, cancel);
    if (!got.ok()) return got.error();
    if (got.value() == 0) break;
    filled += got.value();
  }
  return filled;
}

Result<uint64_t> over_memory(const Route& route, uint64_t bytes, Observer* observer, const Cancel& cancel,
                             Counters& counters) noexcept {
  const std::unique_ptr<std::byte[]> buffer(new (std::nothrow) std::byte[kBufferBytes]);
  if (buffer == nullptr) return SysError{ENOMEM, "malloc"};
  std::optional<Writer> writer;
  if (route.to >= 0) {
    auto over = Writer::over(route.to);
    if (!over.ok()) return over.error();
    writer.emplace(std::move(over).value());
  }
  int64_t offset = route.from_offset;
  uint64_t done = 0;
  while (done < bytes) {
    if (cancel.cancelled()) return SysError{ECANCELED, "read"};
    auto got = fill(route, &offset, {buffer.get(), piece_of(bytes - done, kBufferBytes)}, cancel);
    if (!got.ok()) return got.error();
    if (got.value() == 0) break;
    if (observer != nullptr) {
      if (auto seen = observer->see(buffer.get(), got.value()); !seen.ok()) return seen.error();
    }
    if (writer) {
      auto put = route.holes ? write_sparse(*writer, route.to, {buffer.get(), got.value()}, cancel)
                             : writer->write(buffer.get(), got.value(), cancel);
      if (!put.ok()) return put.error();
    }
    done += got.value();
    counters.bytes.fetch_add(got.value(), std::memory_order_relaxed);
    counters.bytes_user.fetch_add(got.value(), std::memory_order_relaxed);
  }
  return done;
}

}  // namespace

Result<uint64_t> copy(const Route& route, uint64_t bytes, Observer* observer, const Cancel& cancel,
                      Counters& counters) noexcept {
  if (observer != nullptr || route.holes || route.to < 0) return over_memory(route, bytes, observer, cancel, counters);
  auto from = kind_of(route.from);
  if (!from.ok()) return from.error();
  auto to = kind_of(route.to);
  if (!to.ok()) return to.error();
  const bool placed = from.value() == Kind::file && route.from_offset >= 0;
  if (placed && to.value() == Kind::file) return file_to_file(route, bytes, cancel, counters);
  const bool spliced = from.value() == Kind::pipe ? to.value() != Kind::device : placed && to.value() == Kind::pipe;
  if (spliced) return splice_all(route, bytes, cancel, counters);
  return over_memory(route, bytes, observer, cancel, counters);
}

}  // namespace frazil::stream
