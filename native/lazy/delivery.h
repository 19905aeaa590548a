#pragma once

#include "lazy/filler.h"

namespace frazil::lazy {

// Of a source that delivers when it can: gives what comes to every space that misses it, whoever asked, and counts the faults that were
// answered by it. Thread-safe.
class Delivery final : public page::Taker {
 public:
  Delivery(Spaces& spaces, Filler& filler, Board& board, Verdict& verdict) noexcept
      : spaces_(spaces), filler_(filler), board_(board), verdict_(verdict) {}

  // A task waits for this page since then. Before it is asked for.
  void expect(const page::Want& want, const PendingFault& fault) noexcept;

  Result<void> take(const page::Arrival& arrival) noexcept override;
  void lose(const page::SourceFailure& failure) noexcept override { verdict_.fail_at(Fault::source, failure); }

 private:
  struct Waiting {
    page::ImageId image;
    uint64_t vaddr;
    uint64_t since_ns;
    bool restored;
  };
  void count(const page::Arrival& arrival) noexcept;

  Spaces& spaces_;
  Filler& filler_;
  Board& board_;
  Verdict& verdict_;
  std::mutex mutex_;
  std::vector<Waiting> waiting_;  // as many as tasks have threads
};

}  // namespace frazil::lazy
