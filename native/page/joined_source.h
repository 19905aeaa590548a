#pragma once

// The pages of a tree of which some are here and the others with a peer: of a migration whose iterations have brought what has not changed
// since. The pagemap says which: a run that is lazy and present is with the peer, one that is lazy alone is here.
//
// It is a remote source as a whole, since a Taker can only be told once whether pages come by themselves. So what is here, too, goes to the
// Taker of begin(), before fetch() returns.

#include <map>
#include <memory>
#include <mutex>

#include "page/source.h"

namespace frazil::page {

class JoinedSource final : public Source {
 public:
  // `remote` has the pagemaps; `local` is asked for nothing but the runs that are not present in them.
  JoinedSource(std::unique_ptr<Source> remote, std::unique_ptr<Source> local) noexcept
      : remote_(std::move(remote)), local_(std::move(local)) {}

  Result<std::vector<PagemapEntry>> lazy_runs(const ImageId& image) noexcept override;
  // What is here blocks nobody: only a want that reaches pages of the peer waits as PeerSource does. The level of a failure that is of here
  // counts from the parent, which is 1.
  std::optional<SourceFailure> fetch(const Want& want, Taker& taker) noexcept override;
  bool remote() const noexcept override { return true; }
  Result<void> begin(Taker& taker, const Cancel& stop) noexcept override;
  Result<void> finish() noexcept override { return remote_->finish(); }

 private:
  using Runs = std::vector<PagemapEntry>;

  // Those of an image that is there do not change.
  Result<const Runs*> runs_of(const ImageId& image) noexcept;
  std::optional<SourceFailure> fetch_here(const Want& want) noexcept;

  const std::unique_ptr<Source> remote_;
  const std::unique_ptr<Source> local_;
  Taker* taker_ = nullptr;
  std::mutex mutex_;
  std::map<std::pair<ImageId::Kind, uint64_t>, Runs> images_;
};

}  // namespace frazil::page
