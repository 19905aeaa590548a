#include "sys/pidfd.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sys/retry.h"
#include "sys/wait_for.h"

namespace frazil {
namespace {

// glibc has P_PIDFD only from 2.36 on; the value is the kernel's (include/uapi/linux/wait.h).
constexpr auto kPidfd = static_cast<idtype_t>(3);

}  // namespace

// The two calls by number: glibc has wrappers only from 2.36 on.
Result<UniqueFd> open_pidfd(pid_t pid) noexcept {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));  // CLOEXEC is implied
  if (!fd) return SysError{errno, "pidfd_open"};
  return fd;
}

Result<void> send_signal(int pidfd, int signal) noexcept {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == -1) return SysError{errno, "pidfd_send_signal"};
  return {};
}

Result<void> wait_exit(int pidfd, const Cancel& cancel) noexcept {
  const auto wake = wait_for(pidfd, POLLIN, cancel);
  if (!wake.ok()) return wake.error();
  if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "poll"};
  return {};
}

Result<ExitStatus> wait_child(int pidfd, const Cancel& cancel) noexcept {
  const auto ended = wait_exit(pidfd, cancel);
  if (!ended.ok()) return ended.error();
  siginfo_t end{};
  // __WALL: a root that CRIU restored as its sibling may have been cloned with another exit signal than SIGCHLD.
  // WNOHANG: a zombie that a tracer still holds makes the pidfd readable before it can be reaped.
  if (retry_eintr([&] { return ::waitid(kPidfd, static_cast<id_t>(pidfd), &end, WEXITED | WNOHANG | __WALL); }) == -1) {
    return SysError{errno, "waitid"};
  }
  if (end.si_pid == 0) return SysError{EAGAIN, "waitid"};
  if (end.si_code == CLD_EXITED) return ExitStatus(Exited{end.si_status});
  return ExitStatus(Signaled{end.si_status, end.si_code == CLD_DUMPED});
}

Result<void> set_child_subreaper(bool on) noexcept {
  if (::prctl(PR_SET_CHILD_SUBREAPER, on ? 1UL : 0UL, 0, 0, 0) == -1) return SysError{errno, "prctl"};
  return {};
}

}  // namespace frazil
