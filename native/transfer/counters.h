#pragma once

#include <atomic>
#include <cstdint>

namespace frazil::transfer {

// What one end of a migration's page streams has done so far, over all levels. Written by its threads, read by anyone.
struct Counters {
  std::atomic<uint64_t> pages_in{
      0};  // looked at: taken from CRIU or read from a running task; at the destination, received
  std::atomic<uint64_t> zero_pages{0};     // told of, not carried
  std::atomic<uint64_t> same_pages{0};     // left out: the destination has them, by their digests
  std::atomic<uint64_t> sent_pages{0};     // carried, in whatever form
  std::atomic<uint64_t> left_pages{0};     // not carried yet: the destination asks for them when its copy runs
  std::atomic<uint64_t> packed_pages{0};   // of these, compressed
  std::atomic<uint64_t> patched_pages{0};  // of these, as what differs from what was sent before
  std::atomic<uint64_t> patch_bytes{0};    // what that took, of body_bytes
  std::atomic<uint64_t> body_bytes{0};     // what the carried pages took, after all stages
  std::atomic<uint64_t> wire_bytes{0};     // with heads, tags and maps
  std::atomic<uint64_t> cpu_ns{0};         // of our threads
  std::atomic<uint64_t> stall_ns{0};       // the senders waited for the link
  std::atomic<uint64_t> read_ns{0};  // of cpu_ns: taking pages from CRIU's pipes, or reading them from running tasks
  std::atomic<uint64_t> sort_ns{0};  // of cpu_ns: looking for zeros, and comparing

  void add(std::atomic<uint64_t> Counters::* counter, uint64_t n) noexcept {
    (this->*counter).fetch_add(n, std::memory_order_relaxed);
  }
};

}  // namespace frazil::transfer
