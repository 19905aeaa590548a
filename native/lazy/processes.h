#pragma once

// Other processes, as /proc shows them.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace frazil::lazy {

// Whether a mapping of the process holds the address. False when it cannot be asked: it has ended.
bool is_mapped(pid_t pid, uint64_t address) noexcept;

// By what a fork of a task is known whose parents have all ended: the memory layout that exec chose, and the pid namespace.
struct Likeness {
  uint64_t pid_namespace = 0;
  uint64_t start_code = 0;
  uint64_t start_stack = 0;
  bool operator==(const Likeness&) const = default;
};
// All zero when it cannot be asked.
Likeness likeness_of(pid_t pid) noexcept;

// Whether every thread of the process has ended. Unlike a pidfd this also sees the end of tasks that a tracer keeps as zombies: a CRIU that
// was killed in the midst of its work, or that waits for one of them for ever.
bool has_no_living_thread(pid_t pid) noexcept;

// Children of every thread of the process.
std::vector<pid_t> children_of(pid_t pid) noexcept;
std::vector<pid_t> all_processes() noexcept;
// Whether some range of its memory is under a userfaultfd.
bool has_userfault_range(pid_t pid) noexcept;

}  // namespace frazil::lazy
