#include "sys/full_io.h"

#include <unistd.h>

#include "sys/retry.h"

namespace frazil {

Result<void> write_full(int fd, const void* from, size_t bytes) noexcept {
  for (auto at = static_cast<const char*>(from); bytes > 0;) {
    const ssize_t n = retry_eintr([&] { return ::write(fd, at, bytes); });
    if (n == -1) return SysError{errno, "write"};
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return {};
}

Result<void> pwrite_full(int fd, const void* from, size_t bytes, uint64_t offset) noexcept {
  for (auto at = static_cast<const char*>(from); bytes > 0;) {
    const ssize_t n = retry_eintr([&] { return ::pwrite(fd, at, bytes, static_cast<off_t>(offset)); });
    if (n == -1) return SysError{errno, "pwrite"};
    at += n;
    offset += static_cast<uint64_t>(n);
    bytes -= static_cast<size_t>(n);
  }
  return {};
}

Result<size_t> read_full(int fd, void* to, size_t bytes) noexcept {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t n = retry_eintr([&] { return ::read(fd, static_cast<char*>(to) + done, bytes - done); });
    if (n == -1) return SysError{errno, "read"};
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

Result<size_t> pread_full(int fd, void* to, size_t bytes, uint64_t offset) noexcept {
  size_t done = 0;
  while (done < bytes) {
    const auto at = static_cast<off_t>(offset + done);
    const ssize_t n = retry_eintr([&] { return ::pread(fd, static_cast<char*>(to) + done, bytes - done, at); });
    if (n == -1) return SysError{errno, "pread"};
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

}  // namespace frazil
