#pragma once

#include "lazy/delivery.h"
#include "lazy/order.h"

namespace frazil::lazy {

// One thread that answers faults; several may run.
class FaultLoop {
 public:
  FaultLoop(Spaces& spaces, Events& events, Backlog& backlog, Filler& filler, page::Source& source, Board& board,
            Verdict& verdict, Recorder* recorder) noexcept;

  // Of a remote source, whose pages come later: who is told what is waited for. Before the loop runs.
  void wait_with(Delivery& delivery) noexcept { delivery_ = &delivery; }

  void operator()() noexcept;

 private:
  void hear(uint64_t id) noexcept;
  void answer(const std::vector<PendingFault>& faults) noexcept;
  bool answer(const PendingFault& fault) noexcept;
  void read_ahead(const PendingFault& fault) noexcept;
  bool bring(const PendingFault& fault, uint64_t address, uint64_t pages) noexcept;
  std::vector<SpacePtr> copies_of(const Space& space) const noexcept;

  Spaces& spaces_;
  Events& events_;
  Backlog& backlog_;
  Filler& filler_;
  page::Source& source_;
  Board& board_;
  Verdict& verdict_;
  Recorder* recorder_;            // null: nobody asked
  Delivery* delivery_ = nullptr;  // null: fetch() delivers
  // Faults that follow each other ask for more each time, as a file's readers do.
  uint64_t expected_ = 0;
  uint64_t window_ = 0;
};

// The bucket of a latency: see messages.h.
size_t bucket_of(uint64_t ns) noexcept;

// A fault that was heard at `since_ns` has been answered. `restored`: its task runs; before that it was CRIU's own code in the task.
void count_fault(Board& board, uint64_t since_ns, bool restored) noexcept;

}  // namespace frazil::lazy
