#pragma once

#include <map>
#include <mutex>

#include "page/page_buffers.h"
#include "page/source.h"
#include "page/stored_pages.h"

namespace frazil::page {

// The pages of an images directory and of its parents, as CRIU or Frazil wrote them; or those that it names and that lie elsewhere.
class DirectorySource final : public Source {
 public:
  // `place`: null when the pages files are in the directory. `chain`: an images directory that has the pages, with its parents, when
  // `directory` only says which of them may come lazily (chain_stage.h); empty when it is the same.
  explicit DirectorySource(UniqueFd directory, std::unique_ptr<PagesPlace> place = nullptr,
                           UniqueFd chain = {}) noexcept
      : directory_(std::move(directory)), place_(std::move(place)), chain_(std::move(chain)) {}

  // EBADMSG for a pagemap that is none, ENODATA for a pages file that is shorter than its pagemap says, and for a hole that no parent
  // fills.
  Result<std::vector<PagemapEntry>> lazy_runs(const ImageId& image) noexcept override;
  // ESTALE and ENODATA when the file was written to or cut short since.
  std::optional<SourceFailure> fetch(const Want& want, Taker& taker) noexcept override;
  uint64_t cached_bytes() const noexcept override { return place_ == nullptr ? 0 : place_->cached_bytes(); }

 private:
  struct Run {
    PagemapEntry entry;
    uint32_t level;
    uint64_t offset;  // in its pages file, in bytes
  };
  struct Image {
    std::vector<Run> runs;                            // those that may come lazily
    std::vector<std::unique_ptr<StoredPages>> pages;  // by level; null where nothing is needed
  };

  Result<const Image*> load(const ImageId& image) noexcept;
  Result<Image> read_placed(const std::string& name) noexcept;
  Result<Image> read_chain(const std::string& name) noexcept;
  Result<void> open_pages(Image& image, const std::vector<std::string>& names) noexcept;
  std::optional<SourceFailure> deliver(const Image& image, const Run& run, const Want& want, Taker& taker) noexcept;

  UniqueFd directory_;
  std::unique_ptr<PagesPlace> place_;
  UniqueFd chain_;
  PageBuffers buffers_;
  std::mutex mutex_;              // of what follows; an image that is there stays and does not change
  std::vector<UniqueFd> levels_;  // empty before the first image
  std::map<std::pair<ImageId::Kind, uint64_t>, Image> images_;
};

}  // namespace frazil::page
