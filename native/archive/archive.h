#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "archive/appender.h"
#include "archive/member_digests.h"
#include "archive/members.h"
#include "archive/page_members.h"
#include "page/absorber.h"
#include "page/store.h"

namespace frazil::archive {

// One archive that is being written: docs/design/archive.md. The steps are those of section 4, one at a time, each on whatever thread:
// a store takes the pages in, set_heads() says what stands before them, settle() of the store, append(), finish(). The first failure
// makes the whole worthless.
class Archive {
 public:
  // ELIBACC without the codec's library. With `digests` the content of every member is digested on its way, pages in the order of the
  // stream: not by the direct store.
  static Result<std::unique_ptr<Archive>> open(UniqueFd output, OutputForm form,
                                               const std::optional<Compression>& compression, bool digests,
                                               std::shared_ptr<page::Counters> counters) noexcept;

  // At most one of the two, once; it may not outlive the archive, nor be outlived by the images. Pages straight to a file (EINVAL for a
  // stream, or with digests), or over memory.
  Result<std::unique_ptr<page::Store>> direct_store(unsigned workers) noexcept;
  Result<std::unique_ptr<page::Store>> absorbing_store(UniqueFd spill_directory, unsigned workers,
                                                       uint64_t memory_bytes) noexcept;

  // What came, once it has all come, as long as the store is there.
  const PageMembers& members() const noexcept { return members_; }
  // Of the directory, then of each image, each of kHeadBytes. EINVAL when they are others.
  Result<void> set_heads(std::vector<Bytes> heads) noexcept;

  // ENOENT, ELOOP or EIO when a file is not there, is a link, or is shorter than was said.
  Result<void> append(int directory, std::span<const Addition> additions, const Cancel& cancel) noexcept;
  // Of every member so far, pages first; none without `digests`.
  Result<std::vector<crypto::Sha256Digest>> digests() noexcept;
  // The end of the file; nothing can follow. With `sync` it is on the disk.
  Result<void> finish(bool sync, const Cancel& cancel) noexcept;

  // Of the file so far.
  uint64_t bytes() const noexcept { return output_.bytes(); }
  const Output& output() const noexcept { return output_; }

 private:
  friend class DirectStore;
  friend class AbsorbingStore;

  Archive(Output output, const std::optional<Compression>& compression,
          std::shared_ptr<page::Counters> counters) noexcept
      : output_(std::move(output)),
        compression_(compression),
        counters_(std::move(counters)),
        frames_(output_, *counters_) {}
  Result<std::unique_ptr<Appender>> appender(const Cancel& cancel) noexcept;
  Result<void> append_one(Appender& appender, int directory, const Addition& addition, const Cancel& cancel) noexcept;
  Result<void> append_file(Appender& appender, int file, uint64_t bytes, const Cancel& cancel) noexcept;
  // Content of a member: digested, if anything is.
  Result<void> write(Appender& appender, std::span<const std::byte> bytes) noexcept;
  Result<void> patch_heads() noexcept;
  Result<void> patch(uint64_t at, const Bytes& head) noexcept;

  Output output_;
  std::optional<Compression> compression_;
  std::shared_ptr<page::Counters> counters_;
  FrameFile frames_;
  PageMembers members_;
  std::vector<Bytes> heads_;
  std::optional<MemberDigests> digests_;
};

}  // namespace frazil::archive
