#include "lazy/guardian.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "sys/pidfd.h"
#include "sys/retry.h"

namespace frazil::lazy {
namespace {

bool has_seen_to_everything(int status) noexcept {
  if (!WIFEXITED(status)) return false;
  const int code = WEXITSTATUS(status);
  return code == static_cast<int>(Exit::filled) || code == static_cast<int>(Exit::failed) ||
         code == static_cast<int>(Exit::refused);
}

[[noreturn]] void guard(pid_t server, const Notes& notes, const Mouth& mouth) noexcept {
  (void)::prctl(PR_SET_NAME, "frazil-guardian");
  int status = 0;
  // Only EINTR can fail it: it is our child, and nobody else reaps it.
  (void)retry_eintr([&] { return ::waitpid(server, &status, 0); });
  if (has_seen_to_everything(status)) ::_exit(WEXITSTATUS(status));
  if (notes.filled) {
    // It ended after all was done, maybe before it could say so. Who has heard it already hears no more.
    say(mouth, Verdict::plain(Event::filled, Fault::none, {0, ""}));
    ::_exit(static_cast<int>(Exit::filled));
  }
  end_tree(notes, {::getpid(), server}, mouth.control);
  const int how = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  say(mouth, Verdict::plain(Event::failed, Fault::server_died, {how, WIFSIGNALED(status) ? "signal" : "exit"}));
  ::_exit(static_cast<int>(Exit::failed));
}

}  // namespace

Result<UniqueFd> split(const Notes& notes, const Mouth& mouth) noexcept {
  const pid_t guardian = ::getpid();
  auto pidfd = open_pidfd(guardian);
  if (!pidfd.ok()) return pidfd.error();
  // fork() with CLONE_FILES. glibc's own has no such flag; with one thread there is nothing that it would have to set right.
  const long server = ::syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (server == -1) return SysError{errno, "clone"};
  if (server > 0) guard(static_cast<pid_t>(server), notes, mouth);
  return std::move(pidfd).value();
}

}  // namespace frazil::lazy
