#include "stream/ends.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "sys/full_io.h"
#include "sys/retry.h"
#include "sys/splice.h"
#include "sys/wait_for.h"

namespace frazil::stream {
namespace {

// What an empty pipe takes without waiting: the kernel's default capacity.
constexpr size_t kRelayBytes = size_t{64} << 10;

}  // namespace

Result<Kind> kind_of(int fd) noexcept {
  struct stat status{};
  if (::fstat(fd, &status) == -1) return SysError{errno, "fstat"};
  if (S_ISREG(status.st_mode)) return Kind::file;
  if (S_ISCHR(status.st_mode)) return Kind::device;
  return S_ISFIFO(status.st_mode) ? Kind::pipe : Kind::other;
}

Result<size_t> read_some(int from, int64_t* offset, void* to, size_t bytes, const Cancel& cancel) noexcept {
  if (*offset >= 0) {
    auto got = pread_full(from, to, bytes, static_cast<uint64_t>(*offset));
    if (got.ok()) *offset += static_cast<int64_t>(got.value());
    return got;
  }
  for (;;) {
    auto wake = wait_for(from, POLLIN, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "read"};
    const ssize_t n = retry_eintr([&] { return ::read(from, to, bytes); });
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EAGAIN) return SysError{errno, "read"};
  }
}

Result<Writer> Writer::over(int to) noexcept {
  auto kind = kind_of(to);
  if (!kind.ok()) return kind.error();
  if (kind.value() == Kind::file || kind.value() == Kind::device) return Writer(to, kind.value(), Pipe{});
  auto relay = open_pipe(kRelayBytes);
  if (!relay.ok()) return relay.error();
  return Writer(to, kind.value(), std::move(relay).value());
}

Result<void> Writer::write(const void* from, size_t bytes, const Cancel& cancel) noexcept {
  if (!relay_.write) return write_full(to_, from, bytes);
  for (auto at = static_cast<const char*>(from); bytes > 0;) {
    const size_t piece = std::min(bytes, kRelayBytes);
    if (auto put = write_full(relay_.write.get(), at, piece); !put.ok()) return put.error();
    for (size_t left = piece; left > 0;) {
      auto moved = splice_bytes(relay_.read.get(), to_, nullptr, left);
      if (moved.ok()) {
        left -= moved.value();
        continue;
      }
      if (moved.error().number != EAGAIN) return moved.error();
      auto wake = wait_for(to_, POLLOUT, cancel);
      if (!wake.ok()) return wake.error();
      if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "write"};
    }
    at += piece;
    bytes -= piece;
  }
  return {};
}

}  // namespace frazil::stream
