#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"

namespace frazil {

struct ExecOptions {
  std::string file;               // a path: PATH is not searched
  std::vector<std::string> argv;  // with argv[0]
  std::vector<std::string> env;   // NAME=value
  std::vector<int> keep;          // numbers above 2 that the program shall have; those that are not open are left out
  std::vector<int> nonblocking;   // which of 0, 1 and 2 are to be non-blocking: as they were given to this process
  std::optional<uint64_t> open_files;  // soft RLIMIT_NOFILE; nothing: as it is
};

// Becomes the program: same pid, same parent, its exit status is ours. Returns only when it could not, with the reason and with
// everything as it was before. Every other thread of this process ends; nothing that waits in them is finished.
//
// The program gets 0, 1, 2, `keep`, and what was not marked close-on-exec. No signal is blocked, and none ignored, but for those
// from 32 on, which Node leaves as it found them.
SysError exec_program(const ExecOptions& options) noexcept;

}  // namespace frazil
