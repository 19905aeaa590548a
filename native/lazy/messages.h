#pragma once

// What frazil-lazy and its caller say to each other, and the counters that they share. Both come from one build; the version is for
// the case that they do not. src/addon/lazy-board.ts reads the same structs.

#include <array>
#include <atomic>
#include <cstdint>

namespace frazil::lazy {

constexpr uint32_t kVersion = 3;

// Server or guardian to caller, one packet each on the control socket.
enum class Event : uint32_t {
  ready = 1,     // lazy-pages.socket listens
  restored = 2,  // CRIU has restored all that is not lazy
  filled = 3,    // every page is there, or every task has ended
  failed = 4,    // the tree has been killed; the fields below say why
  refused = 5,   // CRIU has given up before the tree ran
};

enum class Fault : uint32_t {
  none = 0,
  source = 1,       // pages cannot be read: image, vaddr, level, error
  server_died = 2,  // error is the signal or status
  guardian_died = 3,
  system = 4,        // a call of our own: error
  unregistered = 5,  // CRIU has left out a range that the pagemap calls lazy: image, vaddr
  protocol = 6,      // what came over lazy-pages.socket is not CRIU's
  caller = 7,        // the caller has ended or asked for it
};

struct Message {
  uint32_t version;
  Event event;
  Fault fault;
  int32_t error;
  uint64_t image;
  uint64_t vaddr;
  uint64_t tree;  // 0 for the first
  char op[28];
  uint32_t level;  // of the chain that the page lies in: 1 is the parent
};
static_assert(sizeof(Message) == 72);

// Caller to server: one byte each.
constexpr char kAbort = 'a';
// The tasks of the restore are all made, and CRIU holds them before their first instruction: their pages may come already.
constexpr char kHeld = 'h';

// Latencies of faults, in powers of two of microseconds with four steps each: from under 1 us to over 16 s.
constexpr size_t kSteps = 4;
constexpr size_t kBuckets = 25 * kSteps;

// Written by the server only, read at any time; each number is exact once the server has ended.
struct Board {
  std::atomic<uint32_t> version;
  std::atomic<uint32_t> server_pid;
  std::atomic<uint64_t> tasks;          // spaces, forked ones too
  std::atomic<uint64_t> ended_tasks;    // gone before they were filled
  std::atomic<uint64_t> total_pages;    // to be filled, in restored tasks
  std::atomic<uint64_t> done_pages;     // of those
  std::atomic<uint64_t> forked_pages;   // filled in tasks that were forked since
  std::atomic<uint64_t> dropped_pages;  // unmapped or given up by the tasks before they were filled
  std::atomic<uint64_t> copied_pages;   // by UFFDIO_COPY, anywhere
  std::atomic<uint64_t> zero_pages;     // by UFFDIO_ZEROPAGE, from the source
  std::atomic<uint64_t> faults;         // that were answered
  std::atomic<uint64_t> zero_faults;    // of those, for memory that is zero by right
  std::atomic<uint64_t> fault_max_ns;
  std::atomic<uint64_t> last_fault_ns;  // CLOCK_MONOTONIC
  std::atomic<uint64_t> forks;
  std::atomic<uint64_t> remaps;
  std::atomic<uint64_t> removes;
  std::atomic<uint64_t> unmaps;
  std::atomic<uint64_t> replayed_pages;
  std::atomic<uint64_t> source_bytes;  // asked of the source; fewer than copied when several tasks shared them
  std::atomic<uint64_t> cached_bytes;  // of those, from frames that had been decompressed before; when it has ended
  std::atomic<uint64_t> ready_ns;      // CLOCK_MONOTONIC, of each step
  std::atomic<uint64_t> restored_ns;
  std::atomic<uint64_t> first_fault_ns;
  std::atomic<uint64_t> filled_ns;
  std::atomic<uint64_t> cpu_ns;
  std::array<std::atomic<uint64_t>, kBuckets> latency;
};
static_assert(sizeof(Board) == 8 + 24 * 8 + kBuckets * 8);

}  // namespace frazil::lazy
