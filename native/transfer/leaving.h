#pragma once

// A dump that stays at the source: its images lie in a directory, whole, and go into a level of which only what CRIU restores itself
// travels now. What may come lazily is left behind, and served from the directory when the copy runs (page_feeder.h).

#include <atomic>
#include <deque>
#include <vector>

#include "core/thread.h"
#include "core/unique_fd.h"
#include "page/image.h"
#include "transfer/level.h"

namespace frazil::transfer {

class Leaving {
 public:
  explicit Leaving(UniqueFd directory) noexcept : directory_(std::move(directory)) {}

  // With digests all pages are read, by a thread for each worker, and those that the destination has become holes; without, only what
  // travels. EBADMSG for a pagemap that is none, ENODATA for pages that are not there.
  Result<void> run(const std::vector<page::ImageId>& images, Level& level, std::vector<Worker>& workers,
                   const Cancel& cancel) noexcept;

 private:
  struct Item {
    int pages;  // the file that has them
    Stretch stretch;
  };
  struct Reader {
    Leaving* leaving;
    Level* level;
    std::vector<Worker>* workers;
    const Cancel* cancel;
    unsigned index;
    Result<void> outcome;
    Thread thread;
    void operator()() noexcept;
  };

  Result<void> open(const page::ImageId& id, Level& level) noexcept;
  void add_run(const page::PagemapEntry& run, int pages, Stretch* stretch);
  Result<void> pass_items(const Reader& reader) noexcept;
  static Result<void> pass(const Item& item, const Reader& reader) noexcept;

  UniqueFd directory_;
  std::deque<page::Image> images_;  // of the level, which keeps their addresses
  std::vector<UniqueFd> files_;
  std::vector<Item> items_;
  std::atomic<size_t> next_{0};
};

}  // namespace frazil::transfer
