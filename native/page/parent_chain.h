#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/unique_fd.h"
#include "page/pagemap.h"

namespace frazil::page {

// The images directories below the one being written, nearest first, along CRIU's `parent` links. Answers what CRIU's own page
// server answers (criu/page-xfer.c, criu/cr-dedup.c): has an image a parent, is a hole really there, and punches pages that the
// new level replaces out of all ancestors.
class ParentChain {
 public:
  ParentChain() noexcept = default;  // no parent at all
  // Follows `parent` links from `nearest`. ELOOP when they lead to a level again, ENOENT when one leads nowhere.
  static Result<ParentChain> open(UniqueFd nearest) noexcept;

  // Whether the nearest level has this image.
  bool has(const ImageId& id) const noexcept;

  // Makes `id` the current image for the two calls below. EBADMSG when an ancestor's pagemap is none, ENOENT when its pages file
  // is not there.
  Result<void> select(const ImageId& id, bool all_levels) noexcept;
  // Whether every page of the run is in some entry of the nearest level, present or itself a hole.
  bool covers(const PagemapEntry& run) const noexcept;
  // Frees the run's pages in every ancestor's pages file. Returns how many pages were there. select() had `all_levels`.
  Result<uint64_t> punch(const PagemapEntry& run) noexcept;

  size_t depth() const noexcept { return levels_.size(); }

 private:
  struct Image {
    Pagemap map;
    std::vector<uint64_t> offsets;  // of each entry in the pages file, in pages
    UniqueFd pages;
  };

  static Result<Image> load(int directory, const std::string& name, bool writable) noexcept;

  std::vector<UniqueFd> levels_;
  std::vector<Image> selected_;
};

}  // namespace frazil::page
