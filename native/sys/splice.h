#pragma once

// splice(2), tee(2) and vmsplice(2): how pages move between sockets, pipes and files without entering user space. All
// are non-blocking and interrupted by nothing; EAGAIN is an ordinary answer, after which the caller waits for both ends
// (the kernel does not say which of them was not ready). 0 means that every writer has closed.

#include <fcntl.h>
#include <sys/uio.h>

#include <cstddef>

#include "core/result.h"
#include "sys/retry.h"

namespace frazil {

// One of the two must be a pipe. `to_offset` (a regular file's position, advanced) or nullptr for the file's own.
inline Result<size_t> splice_bytes(int from, int to, loff_t* to_offset, size_t bytes) noexcept {
  const ssize_t n =
      retry_eintr([&] { return ::splice(from, nullptr, to, to_offset, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK); });
  if (n == -1) return SysError{errno, "splice"};
  return static_cast<size_t>(n);
}

// Duplicates what is in one pipe into another without consuming it.
inline Result<size_t> tee_bytes(int from, int to, size_t bytes) noexcept {
  const ssize_t n = retry_eintr([&] { return ::tee(from, to, bytes, SPLICE_F_NONBLOCK); });
  if (n == -1) return SysError{errno, "tee"};
  return static_cast<size_t>(n);
}

// Maps our memory into a pipe. The pages must not change until the reader has taken them: the pipe holds references,
// not copies.
inline Result<size_t> vmsplice_bytes(int pipe, const void* from, size_t bytes) noexcept {
  const iovec body{const_cast<void*>(from), bytes};
  const ssize_t n = retry_eintr([&] { return ::vmsplice(pipe, &body, 1, SPLICE_F_NONBLOCK); });
  if (n == -1) return SysError{errno, "vmsplice"};
  return static_cast<size_t>(n);
}

}  // namespace frazil
