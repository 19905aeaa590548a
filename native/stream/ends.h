#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cancel.h"
#include "core/result.h"
#include "sys/pipe.h"

namespace frazil::stream {

// What an fd is, as far as copying cares. A character device takes no splice, and does not make anybody wait.
enum class Kind { file, pipe, device, other };
Result<Kind> kind_of(int fd) noexcept;

// One read: at `*offset` (advanced) of a regular file when that is not negative, else as soon as there is something. 0 at the end.
Result<size_t> read_some(int from, int64_t* offset, void* to, size_t bytes, const Cancel& cancel) noexcept;

// Everything, into a file, pipe or socket that may or may not be in blocking mode, which is somebody else's to choose: what is no file
// gets the bytes over a pipe of ours, because splice can be told not to wait.
class Writer {
 public:
  static Result<Writer> over(int to) noexcept;
  Result<void> write(const void* from, size_t bytes, const Cancel& cancel) noexcept;

 private:
  Writer(int to, Kind kind, Pipe relay) noexcept : to_(to), kind_(kind), relay_(std::move(relay)) {}
  int to_;
  Kind kind_;
  Pipe relay_;
};

}  // namespace frazil::stream
