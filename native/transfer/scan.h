#pragma once

// Reads the memory of running tasks, private and shared, for the iterations of a migration where the kernel does not track writes. Nothing is
// frozen, so what is read is no picture of one moment, and need not be: it fills the destination with pages that the final dump
// will, mostly, find unchanged by their digests. Whatever this misses or misreads is carried then.
//
// Shared memory (anonymous, memfd, System V) is of no task: it is read once, page by page through whichever task has the page mapped,
// as an image of its own that CRIU names by the number of the inode (criu/shmem.c, memfd.c, ipc_ns.c). Pages that no task has mapped are
// carried by the final dump.
//
// Everything is read through one open /proc/PID, so that a pid that is used again does not lead into another process.

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "core/cancel.h"
#include "core/thread.h"
#include "core/unique_fd.h"
#include "page/image.h"
#include "transfer/level.h"

namespace frazil::transfer {

// An area of /proc/PID/maps.
struct ScanArea {
  uint64_t from;
  uint64_t to;
  bool shared;
  uint64_t offset;  // of the first page in the object; shared areas only
  uint64_t inode;
};

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
  // Where a page of a shared object can be read.
  struct Seen {
    uint64_t offset;  // in the object
    Task* task;
    uint64_t address;
  };
  struct Shared {
    explicit Shared(const page::ImageId& id) noexcept : image(id, 1) {}
    page::Image image;
    std::vector<Seen> pages;
  };
  struct Item {
    Task* task;
    uint64_t address;  // in the task
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
  Result<void> add_pages(Task& task, int pagemap, const ScanArea& area) noexcept;
  void add_page(Task& task, const ScanArea& area, uint64_t address);
  void add_shared(Shared& shared);
  Result<void> read_items(const Reader& reader) noexcept;
  void extend(page::Image& image, const Seen& page);

  std::deque<Task> tasks_;             // addresses stay
  std::map<uint64_t, Shared> shared_;  // by inode
  std::vector<Item> items_;
  std::atomic<size_t> next_{0};
};

}  // namespace frazil::transfer
