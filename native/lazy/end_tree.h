#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <vector>

#include "lazy/processes.h"

namespace frazil::lazy {

// What the server knows of the tasks that the guardian could not find out when it is needed: memory that both share.
struct Notes {
  static constexpr size_t kMax = 4096;
  std::atomic<uint32_t> count{0};
  std::array<Likeness, kMax> tasks;
  // The connection to where the pages come from: it breaks when the tree has ended, so that a tree that they were taken from goes on only
  // then. -1: there is none.
  std::atomic<int> peer{-1};
  // Every page is there: nobody is to be killed any more, however the server ends.
  std::atomic<bool> filled{false};

  void add(const Likeness& task) noexcept;
};

// Kills the restored tree and everything that it has forked, and returns when no memory is left that waits for pages. What is to be
// killed and held meanwhile is read from /proc/self/fd: userfaultfds, pidfds, sockets of CRIU. Descriptors are closed by nobody, so
// that nothing reads zeros; they end with the process. `own`: the two processes of the service; `control`: not a socket of CRIU.
void end_tree(const Notes& notes, const std::vector<pid_t>& own, int control) noexcept;

}  // namespace frazil::lazy
