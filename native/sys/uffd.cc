#include "sys/uffd.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "sys/retry.h"

namespace frazil::uffd {
namespace {

// No address of a task: below vm.mmap_min_addr, so never registered, and page-aligned at any page size up to 64 KiB.
constexpr uint64_t kNowhere = uint64_t{64} << 10;

// A call that stopped half-way fails with EAGAIN and leaves in `done` how far it came; one that did nothing leaves -errno there.
Filled result_of(int answer, int64_t done, uint64_t wanted) noexcept {
  if (answer == 0) return {wanted, 0};
  const int error = errno;
  if (done > 0) return {static_cast<uint64_t>(done), 0};
  // Until Linux 4.14 a process that was gone gave ENOSPC.
  return {0, error == ENOSPC ? ESRCH : error};
}

}  // namespace

Filled copy(int fd, uint64_t to, const std::byte* from, uint64_t bytes) noexcept {
  uffdio_copy request{};
  request.dst = to;
  request.src = reinterpret_cast<uintptr_t>(from);
  request.len = bytes;
  const int answer = ::ioctl(fd, UFFDIO_COPY, &request);
  return result_of(answer, request.copy, bytes);
}

Filled zero(int fd, uint64_t at, uint64_t bytes) noexcept {
  uffdio_zeropage request{};
  request.range = {at, bytes};
  const int answer = ::ioctl(fd, UFFDIO_ZEROPAGE, &request);
  return result_of(answer, request.zeropage, bytes);
}

void wake(int fd, uint64_t at, uint64_t bytes) noexcept {
  uffdio_range range{at, bytes};
  // Fails only for a range that is none: nobody waits there then.
  (void)::ioctl(fd, UFFDIO_WAKE, &range);
}

bool is_changing(int fd) noexcept { return zero(fd, kNowhere, uint64_t{64} << 10).error == EAGAIN; }

bool is_gone(int fd) noexcept { return zero(fd, kNowhere, uint64_t{64} << 10).error == ESRCH; }

Result<size_t> read_messages(int fd, std::span<uffd_msg> into) noexcept {
  const ssize_t n = retry_eintr([&] { return ::read(fd, into.data(), into.size_bytes()); });
  if (n >= 0) return static_cast<size_t>(n) / sizeof(uffd_msg);
  if (errno == EAGAIN) return size_t{0};
  return SysError{errno, "read"};
}

}  // namespace frazil::uffd
