#pragma once

// One CRIU restore on lazy-pages.socket (criu/uffd.c): per task its pid as int32, then one byte with the userfaultfd; for a zombie the
// negated pid alone; "RSTF" when all is restored.

#include <sys/types.h>

#include <cstdint>
#include <variant>

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil::lazy {

struct TaskArrived {
  uint64_t image;  // its pid, in its own pid namespace: the name of its images
  pid_t pid;       // in ours
  UniqueFd uffd;
};
struct Restored {};
struct HungUp {};
struct Nothing {};  // so far
using Announced = std::variant<Nothing, TaskArrived, Restored, HungUp>;

// Listens as lazy-pages.socket in `directory`, replacing one that is there, for `backlog` restores.
Result<UniqueFd> listen_in(int directory, int backlog) noexcept;

class Connection {
 public:
  explicit Connection(UniqueFd socket) noexcept : socket_(std::move(socket)) {}
  int fd() const noexcept { return socket_.get(); }
  // Does not block. EPROTO for what no CRIU says.
  Result<Announced> receive() noexcept;

 private:
  UniqueFd socket_;
  uint32_t word_ = 0;  // read so far
  size_t have_ = 0;
};

}  // namespace frazil::lazy
