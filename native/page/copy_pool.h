#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "core/thread.h"
#include "page/counters.h"
#include "page/store.h"
#include "sys/pipe.h"

namespace frazil::page {

// The copying threads between the socket and the store. The receiver moves page references from the socket into a free pipe
// (cheap, and it frees CRIU's side at once); the threads copy what the pipes hold. So two processors copy while CRIU collects.
//
// Waits in here are for regular files, which cannot be polled: they end by themselves, bounded by one pipe's content.
class CopyPool {
 public:
  struct Load {
    Pipe pipe;
    size_t capacity;
    Image* image = nullptr;
    uint64_t offset = 0;
    uint64_t vaddr = 0;
    size_t piped = 0;
    size_t copied = 0;  // in `rest`: see Payload
    std::array<std::byte, kPageSize> rest{};
    size_t bytes() const noexcept { return piped + copied; }
  };

  // Not none, and not more than could be of any use.
  static bool allows(unsigned workers) noexcept;
  static Result<std::unique_ptr<CopyPool>> start(Store& store, unsigned workers, Counters& counters) noexcept;
  ~CopyPool();
  CopyPool(const CopyPool&) = delete;
  CopyPool& operator=(const CopyPool&) = delete;

  // An empty pipe, sooner or later. The first failure of a copying thread instead, when there was one.
  Result<Load*> acquire() noexcept;
  // Hands a filled pipe over, to be emptied into its image at its offset, in the order of submission; one without any bytes just goes back.
  void submit(Load* load) noexcept;
  // Waits until nothing is under way: then no page of a task is aliased by us any more. What is under way when the pool ends
  // without it is dropped.
  Result<void> drain() noexcept;

 private:
  struct Worker {
    CopyPool* pool;
    unsigned index;
    Thread thread;
    void operator()() noexcept { pool->work(index); }
  };

  CopyPool(Store& store, Counters& counters) noexcept : store_(store), counters_(counters) {}
  Result<void> open(unsigned workers) noexcept;
  void work(unsigned index) noexcept;
  Load* next() noexcept;
  void finish(Load* load, const Result<void>& outcome) noexcept;
  Result<void> state() const noexcept;  // mutex held

  Store& store_;
  Counters& counters_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::condition_variable filled_;
  std::vector<Load> loads_;
  std::deque<Load*> free_;
  std::deque<Load*> full_;
  std::optional<SysError> failure_;
  bool stopping_ = false;
  std::vector<Worker> workers_;  // last: joined before the rest goes
};

}  // namespace frazil::page
