#pragma once

#include <atomic>
#include <cstdint>

#include "core/cancel.h"
#include "core/result.h"

namespace frazil::stream {

// Who wants to see bytes that pass: a digest. Called in order, on the copying thread.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual Result<void> see(const void* bytes, size_t count) noexcept = 0;
};

// From one place to another. Borrowed fds.
struct Route {
  int from;
  // -1: `from` is a pipe or a socket, or is read at its own position.
  int64_t from_offset = -1;
  // At its own position; -1: nowhere, the bytes are only seen or skipped.
  int to = -1;
  // Blocks of zeros become holes in `to`, which must be a regular file without anything behind its position.
  bool holes = false;
};

struct Counters {
  std::atomic<uint64_t> bytes{0};
  // Of those, the ones that entered our memory.
  std::atomic<uint64_t> bytes_user{0};
};

inline constexpr uint64_t kToTheEnd = UINT64_MAX;

// Moves `bytes` bytes, or until the end of `from`, and says how many: fewer only when `from` ends. The kernel copies (or shares the
// blocks: copy_file_range, splice, sendfile) unless somebody wants to see them. Holes of a regular file stay holes of a regular file.
// Every wait for a pipe or socket includes `cancel`; files are copied in pieces, between which it is looked at.
Result<uint64_t> copy(const Route& route, uint64_t bytes, Observer* observer, const Cancel& cancel,
                      Counters& counters) noexcept;

}  // namespace frazil::stream
