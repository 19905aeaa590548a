#pragma once

#include <vector>

#include "page/image.h"

namespace frazil::archive {

// Of the directory entry that an archive begins with, and of every pages member: docs/design/archive.md, section 1.
constexpr uint64_t kHeadBytes = 4096;
static_assert(kHeadBytes == page::kPageSize);

// Where the pages of each image lie in the stream. Images come one after another, so the place of one is known when it is opened,
// though pages of the one before may still be under way.
class PageMembers {
 public:
  void open(page::Image& image) {
    image.start = end() + kHeadBytes;
    images_.push_back(&image);
  }
  // Of the directory entry as long as there is no image.
  uint64_t end() const noexcept { return images_.empty() ? kHeadBytes : images_.back()->start + images_.back()->bytes; }
  // The images are going.
  void clear() noexcept { images_.clear(); }
  const std::vector<page::Image*>& images() const noexcept { return images_; }

 private:
  std::vector<page::Image*> images_;
};

}  // namespace frazil::archive
