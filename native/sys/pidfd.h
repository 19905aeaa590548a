#pragma once

#include <sys/types.h>

#include <variant>

#include "core/cancel.h"
#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

struct Exited {
  int code;
};
struct Signaled {
  int signal;
  bool core_dumped;
};
using ExitStatus = std::variant<Exited, Signaled>;

// Any process that we can see, our child or not. A pid may be reused until this has returned; an unreaped child's
// cannot.
Result<UniqueFd> open_pidfd(pid_t pid) noexcept;

Result<void> send_signal(int pidfd, int signal) noexcept;

// Waits until the process has ended. It is not reaped. Works for every process, also after somebody else reaped it.
Result<void> wait_exit(int pidfd, const Cancel& cancel) noexcept;

// Waits for a child of ours and reaps exactly that one (never "any child": libuv's children are none of our business,
// and libuv in turn asks only for its own pids). ECHILD when it is not ours or was reaped already. A cancelled wait
// leaves the child to be waited for again.
Result<ExitStatus> wait_child(int pidfd, const Cancel& cancel) noexcept;

// From now on orphaned descendants become our children instead of init's. For the whole process, not for a thread.
Result<void> set_child_subreaper(bool on) noexcept;

}  // namespace frazil
