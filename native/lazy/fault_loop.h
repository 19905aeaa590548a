#pragma once

#include "lazy/filler.h"
#include "lazy/order.h"

namespace frazil::lazy {

// One thread that answers faults; several may run.
class FaultLoop {
 public:
  FaultLoop(Spaces& spaces, Events& events, Backlog& backlog, Filler& filler, page::Source& source, Board& board,
            Verdict& verdict, Recorder* recorder) noexcept;

  void operator()() noexcept;

 private:
  void hear(uint64_t id) noexcept;
  void answer(const std::vector<PendingFault>& faults) noexcept;
  bool answer(const PendingFault& fault) noexcept;
  void read_ahead(const PendingFault& fault) noexcept;
  bool bring(const SpacePtr& space, uint64_t address, uint64_t pages) noexcept;
  void count(const PendingFault& fault) noexcept;

  Spaces& spaces_;
  Events& events_;
  Backlog& backlog_;
  Filler& filler_;
  page::Source& source_;
  Board& board_;
  Verdict& verdict_;
  Recorder* recorder_;  // null: nobody asked
  // Faults that follow each other ask for more each time, as a file's readers do.
  uint64_t expected_ = 0;
  uint64_t window_ = 0;
};

// The bucket of a latency: see messages.h.
size_t bucket_of(uint64_t ns) noexcept;

}  // namespace frazil::lazy
