#pragma once

#include <atomic>
#include <cstdint>

namespace frazil::page {

// What a sink has done so far. Written by its threads, read by anyone; each number is exact once the sink has ended.
struct Counters {
  std::atomic<uint64_t> bytes_in{0};        // page bytes taken from CRIU
  std::atomic<uint64_t> bytes_out{0};       // page bytes written to the images directory
  std::atomic<uint64_t> bytes_absorbed{0};  // page bytes that took the way over memory
  std::atomic<uint64_t> bytes_spilled{0};   // those for which there was no memory: they went over a disk
  std::atomic<uint64_t> bytes_user{0};      // page bytes that this process looked at (search for zero pages)
  std::atomic<uint64_t> bytes_prepared{0};  // memory made ready before the freeze
  std::atomic<uint64_t> runs{0};            // messages with pages or holes
  std::atomic<uint64_t> images{0};          // tasks and shared memory objects
  std::atomic<uint64_t> parent_pages{0};    // left out because the parent has them
  std::atomic<uint64_t> zero_pages{0};      // present, all zero
  std::atomic<uint64_t> sparse_pages{0};    // zero pages that take no space in the file
  std::atomic<uint64_t> deduplicated_pages{0};
  std::atomic<uint64_t> cpu_ns{0};    // of the sink's own threads
  std::atomic<uint64_t> stall_ns{0};  // the receiver waited for a free pipe: the copying threads are the bottleneck

  void add(std::atomic<uint64_t> Counters::* counter, uint64_t n) noexcept {
    (this->*counter).fetch_add(n, std::memory_order_relaxed);
  }
};

}  // namespace frazil::page
