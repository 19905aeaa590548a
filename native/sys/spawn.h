#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// The highest number an fd may get in a child. CRIU's own service fds start far above it.
constexpr int kMaxChildFd = 4095;

struct InheritedFd {
  int fd;  // borrowed
  int as;  // 0..kMaxChildFd, each at most once
};

struct SpawnOptions {
  std::string file;               // a path: PATH is not searched
  std::vector<std::string> argv;  // with argv[0]
  // NAME=value. None: ours, read while nobody changes it, so for the thread that does (Node's main thread) only.
  std::optional<std::vector<std::string>> env;
  std::vector<std::string> more_env;  // before that: programs take the first of a name
  std::vector<InheritedFd> fds;
  std::string cwd;  // empty: ours
  bool new_process_group = false;
};

struct Child {
  pid_t pid;
  UniqueFd pidfd;
};

// Starts a child without copying our address space (vfork semantics: returns when it has exec'ed, with the reason when
// it could not). It gets exactly the fds listed; 0, 1 and 2 are /dev/null unless listed, because a program whose first
// open() returns 2 prints into its own files. Signal dispositions are the defaults and no signal is blocked: Node
// ignores SIGPIPE, and CRIU must see SIGCHLD. The child stays a zombie until wait_child().
Result<Child> spawn_child(const SpawnOptions& options) noexcept;

}  // namespace frazil
