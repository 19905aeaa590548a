#pragma once

// Where the bytes of an image's pages really lie: its pagemap, seen through the holes that stand on parents. Everything that reads
// pages of a checkpoint afterwards (search, diff, squash, verification) reads them through this.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/unique_fd.h"
#include "page/image_fault.h"
#include "page/pagemap.h"

namespace frazil::page {

struct StoredRun {
  uint64_t vaddr;
  uint64_t pages;
  uint32_t
      flags;  // of the newest level, with PRESENT in place of PARENT; without PRESENT no bytes are stored (lazy pages)
  uint32_t level;   // whose pages file
  uint64_t offset;  // in it, in bytes
  uint64_t bytes() const noexcept { return pages * kPageSize; }
  uint64_t end() const noexcept { return vaddr + bytes(); }
  bool stored() const noexcept { return (flags & kPresent) != 0; }
};

class StoredImage {
 public:
  // Reads `name` in every level of `levels` (itself first) down to the first that has it not: a task younger than an ancestor is
  // not in it, and what lies below is another task's of the same pid. Opens the pages files that are needed and compares their
  // sizes. Every fault found goes to `faults`, at most `limit`; nothing is returned when there was one.
  static std::optional<StoredImage> open(const std::vector<UniqueFd>& levels, const std::string& name, size_t limit,
                                         std::vector<ImageFault>* faults) noexcept;

  // Ascending, disjoint, neighbours merged where their bytes follow each other.
  const std::vector<StoredRun>& runs() const noexcept { return runs_; }
  // The pages file of a level; borrowed.
  int file(uint32_t level) const noexcept { return files_[level].pages.get(); }
  const std::string& file_name(uint32_t level) const noexcept { return files_[level].name; }
  size_t depth() const noexcept { return files_.size(); }
  uint64_t pages() const noexcept;         // with bytes
  uint64_t parent_pages() const noexcept;  // of these, how many lie in a parent

  // Reads bytes of one run, from `skip` bytes into it. EIO, with the place, when the file has become shorter.
  std::optional<ImageFault> read(const StoredRun& run, uint64_t skip, void* to, size_t bytes) const noexcept;

 private:
  // A tree of many tasks over many levels must not take all fds that a process may have.
  void close_unused() noexcept;

  struct File {
    std::string name;
    UniqueFd pages;
  };

  std::vector<StoredRun> runs_;
  std::vector<File> files_;
};

}  // namespace frazil::page
