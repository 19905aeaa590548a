#pragma once

#include <map>
#include <mutex>

#include "page/page_buffers.h"
#include "page/pages_file.h"
#include "page/source.h"

namespace frazil::page {

// The pages of an images directory, as CRIU or Frazil wrote them.
class DirectorySource final : public Source {
 public:
  explicit DirectorySource(UniqueFd directory) noexcept : directory_(std::move(directory)) {}

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
    std::unique_ptr<PagesFile> pages;
  };

  Result<const Image*> load(const ImageId& image) noexcept;
  std::optional<SourceFailure> deliver(const Image& image, const Run& run, const Want& want, Taker& taker) noexcept;

  UniqueFd directory_;
  PageBuffers buffers_;
  std::mutex mutex_;  // of the map; what is in it stays and does not change
  std::map<std::pair<ImageId::Kind, uint64_t>, Image> images_;
};

}  // namespace frazil::page
