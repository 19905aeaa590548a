#pragma once

// Reads the private memory of running tasks, for the iterations of a migration where the kernel does not track writes. Nothing is
// frozen, so what is read is no picture of one moment, and need not be: it fills the destination with pages that the final dump
// will, mostly, find unchanged by their digests. Whatever this misses or misreads is carried then.
//
// Everything is read through one open /proc/PID, so that a pid that is used again does not lead into another process.

#include <atomic>
#include <cstdint>
#include <deque>
#include <vector>

#include "core/cancel.h"
#include "core/thread.h"
#include "core/unique_fd.h"
#include "page/image.h"
#include "transfer/level.h"

namespace frazil::transfer {

struct ScanTask {
  int pid;      // for /proc
  uint64_t id;  // of its pagemap: the pid in its own namespace
};

class Scan {
 public:
  // The anonymous pages that the tasks have now. A task that has ended has none.
  Result<void> open(const std::vector<ScanTask>& tasks, const Cancel& cancel) noexcept;

  // Reads everything and passes it to `level`, with `workers` threads.
  Result<void> run(Level& level, std::vector<Worker>& workers, const Cancel& cancel) noexcept;

 private:
  struct Task {
    explicit Task(const page::ImageId& id) noexcept : image(id, 1) {}
    page::Image image;
    UniqueFd memory;
  };
  struct Item {
    Task* task;
    Stretch stretch;
  };
  struct Reader {
    Scan* scan;
    Level* level;
    std::vector<Worker>* workers;
    const Cancel* cancel;
    unsigned index;
    Result<void> outcome;
    Thread thread;
    void operator()() noexcept;
  };

  Result<void> add(const ScanTask& task, const Cancel& cancel) noexcept;
  Result<void> add_pages(Task& task, int pagemap, uint64_t from, uint64_t to) noexcept;
  Result<void> read_items(const Reader& reader) noexcept;
  static void add_run(Task& task, uint64_t from, uint64_t pages, std::vector<Item>* items);

  std::deque<Task> tasks_;  // addresses stay
  std::vector<Item> items_;
  std::atomic<size_t> next_{0};
};

}  // namespace frazil::transfer
