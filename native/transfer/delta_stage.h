#pragma once

// The stage that sends a page as what differs from what was sent of it before. One for each sending thread, over one SentPages.

#include <optional>
#include <span>
#include <vector>

#include "transfer/frame.h"
#include "transfer/sent_pages.h"

namespace frazil::transfer {

struct DeltaOptions {
  uint64_t cache_bytes;
  // Whether every page is tried. Else only while what it saves on the link takes longer than to find it, as both are measured.
  bool always;
};

class DeltaStage {
 public:
  // `sent` is borrowed.
  DeltaStage(SentPages& sent, bool always) noexcept : sent_(&sent), always_(always) {}

  // For each of the `pages`, which are to be sent from `first` on: the record of a patched frame, or nothing when it is to travel as it is.
  // Good until the next call.
  std::span<const std::span<std::byte>> encode(const SentPage& first, std::span<const std::byte> pages) noexcept;
  // Pages that are sent otherwise.
  void forget(const SentPage& first, size_t pages) noexcept;
  // How long so many pages have taken that travelled as they are, with whatever else was done to them.
  void sent(size_t pages, uint64_t ns) noexcept;

 private:
  bool is_worth_it() noexcept;
  std::span<std::byte> encode_page(const SentPage& page, ConstPage bytes, std::span<std::byte> into) noexcept;

  SentPages* sent_;
  bool always_;
  std::vector<std::byte> buffer_;
  std::vector<std::span<std::byte>> records_;
  // Means that forget slowly, per page.
  double try_ns_ = 0;
  double plain_ns_ = 0;
  double saved_ = 1;      // share of a page, of those that were sent before
  unsigned untried_ = 0;  // runs since the last that was tried
};

}  // namespace frazil::transfer
