#pragma once

// The pages of a checkpoint that lie in an archive, beside a directory that has its small images: what a lazy restore from an archive reads.

#include <map>

#include "archive/stream_file.h"
#include "page/stored_pages.h"

namespace frazil::archive {

// Where the pages of pages-N.img begin in the stream, and how many bytes they are.
struct Place {
  uint64_t at;
  uint64_t bytes;
};
using Places = std::map<uint32_t, Place>;

// One line for each, "N AT BYTES", from the beginning of `file`. EBADMSG when it is none of ours.
Result<Places> read_places(int file) noexcept;

class ArchivePages final : public page::PagesPlace {
 public:
  ArchivePages(std::shared_ptr<StreamFile> stream, Places places) noexcept
      : stream_(std::move(stream)), places_(std::move(places)) {}

  // ENOENT for one that the archive does not have, ENODATA when it is shorter.
  Result<std::unique_ptr<page::StoredPages>> open(uint32_t pages_id, uint64_t bytes) noexcept override;
  uint64_t cached_bytes() const noexcept override { return stream_->cached_bytes(); }

 private:
  std::shared_ptr<StreamFile> stream_;
  Places places_;
};

// Makes the pages files that `pagemaps`, which lie in `images`, name: of their whole length, holding only the pages that CRIU restores itself
// because they may not come lazily; the rest are holes. EEXIST when one is there.
Result<void> stage_eager(StreamFile& stream, const Places& places, int images,
                         const std::vector<std::string>& pagemaps) noexcept;

}  // namespace frazil::archive
