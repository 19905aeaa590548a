#pragma once

#include <map>
#include <mutex>

#include "page/page_buffers.h"
#include "page/source.h"
#include "page/stored_pages.h"

namespace frazil::page {

// The pages of an images directory, as CRIU or Frazil wrote them; or those that it names and that lie elsewhere.
class DirectorySource final : public Source {
 public:
  // `place`: null when the pages files are in the directory.
  explicit DirectorySource(UniqueFd directory, std::unique_ptr<PagesPlace> place = nullptr) noexcept
      : directory_(std::move(directory)), place_(std::move(place)) {}

  // EBADMSG for a pagemap that is none, ENODATA for a pages file that is shorter than its pagemap says.
  Result<std::vector<PagemapEntry>> lazy_runs(const ImageId& image) noexcept override;
  // ESTALE and ENODATA when the file was written to or cut short since.
  std::optional<SourceFailure> fetch(const Want& want, Taker& taker) noexcept override;

 private:
  struct Run {
    PagemapEntry entry;
    uint64_t offset;  // in the pages file, in bytes
  };
  struct Image {
    std::vector<Run> runs;
    std::unique_ptr<StoredPages> pages;
  };

  Result<const Image*> load(const ImageId& image) noexcept;
  std::optional<SourceFailure> deliver(const Image& image, const Run& run, const Want& want, Taker& taker) noexcept;

  Result<std::unique_ptr<StoredPages>> open_pages(uint32_t pages_id, uint64_t bytes) noexcept;

  UniqueFd directory_;
  std::unique_ptr<PagesPlace> place_;
  PageBuffers buffers_;
  std::mutex mutex_;  // of the map; what is in it stays and does not change
  std::map<std::pair<ImageId::Kind, uint64_t>, Image> images_;
};

}  // namespace frazil::page
