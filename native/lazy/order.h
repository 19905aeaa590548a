#pragma once

// The order in which a restored tree asked for its pages, kept for the next restore of the same checkpoint. Text: see
// docs/design/lazy-restore.md section 4.

#include <mutex>
#include <vector>

#include "core/result.h"
#include "page/source.h"

namespace frazil::lazy {

struct OrderedRun {
  uint64_t image;
  uint64_t vaddr;
  uint64_t pages;
};

class Recorder {
 public:
  // Thread-safe. Neighbours become one run.
  void note(const page::Want& want) noexcept;
  // From the file's position on.
  Result<void> write(int file) noexcept;

 private:
  std::mutex mutex_;
  std::vector<OrderedRun> runs_;
};

// EBADMSG when it is no such file; a line that is wrong ends the order, for what follows it cannot be trusted either.
Result<std::vector<OrderedRun>> read_order(int file) noexcept;

}  // namespace frazil::lazy
