#pragma once

// userfaultfd(2): filling the missing pages of another process.

#include <linux/userfaultfd.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"

namespace frazil::uffd {

// How far a copy got, and why not further: 0, or an errno with these meanings.
//   EEXIST  the page at `bytes` is there already       EAGAIN  an event waits to be read; nothing can be filled before
//   ESRCH   the memory is gone with its process         ENOENT  no range of this userfaultfd is there
//   EFAULT  the source cannot be read there (a mapped file that was cut short)
struct Filled {
  uint64_t bytes;
  int error;
};

// Copies pages and wakes who waits for them. `from` is only touched by the kernel.
Filled copy(int fd, uint64_t to, const std::byte* from, uint64_t bytes) noexcept;

// Maps the zero page.
Filled zero(int fd, uint64_t at, uint64_t bytes) noexcept;

// Wakes who waits there: they look again.
void wake(int fd, uint64_t at, uint64_t bytes) noexcept;

// Whether an event waits, to be read or for its process to go on. After ENOENT from a copy: the kernel looks for the range first and for
// events after that (Linux 6.8), so a range that has just moved away is not there before it has said so. Exact for as long as nobody reads.
bool is_changing(int fd) noexcept;

// Whether the memory behind it is gone with its last process.
bool is_gone(int fd) noexcept;

// Reads what waits: faults first, then events in their order. 0 when nothing does. An event's process goes on when it is read, and a
// fork's new userfaultfd is in our table from then on.
Result<size_t> read_messages(int fd, std::span<uffd_msg> into) noexcept;

}  // namespace frazil::uffd
