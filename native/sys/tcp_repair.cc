#include "sys/tcp_repair.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace frazil {
namespace {

// The value that also sends a window probe. glibc names it only from 2.31 on; include/uapi/linux/tcp.h.
constexpr int kTcpRepairOff = 0;

Result<int> option_of(int fd, int level, int name) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, level, name, &value, &size) == -1) return SysError{errno, "getsockopt"};
  return value;
}

Result<void> set_option(int fd, int level, int name, int value) noexcept {
  if (::setsockopt(fd, level, name, &value, sizeof value) == -1) return SysError{errno, "setsockopt"};
  return {};
}

}  // namespace

Result<UniqueFd> copy_fd(int pidfd, int number) noexcept {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, number, 0)));  // CLOEXEC is implied
  if (!fd) return SysError{errno, "pidfd_getfd"};
  return fd;
}

Result<bool> is_in_repair(int fd) noexcept {
  const auto protocol = option_of(fd, SOL_SOCKET, SO_PROTOCOL);
  if (!protocol.ok()) {
    if (protocol.error().number == ENOTSOCK) return false;
    return protocol.error();
  }
  if (protocol.value() != IPPROTO_TCP) return false;
  const auto repair = option_of(fd, IPPROTO_TCP, TCP_REPAIR);
  if (!repair.ok()) return repair.error();
  return repair.value() != kTcpRepairOff;
}

Result<void> end_repair(int fd, bool reuse_address) noexcept {
  const auto ended = set_option(fd, IPPROTO_TCP, TCP_REPAIR, kTcpRepairOff);
  if (!ended.ok()) return ended;
  return set_option(fd, SOL_SOCKET, SO_REUSEADDR, reuse_address ? 1 : 0);
}

}  // namespace frazil
