#include "archive/archive.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "archive/absorbing_store.h"
#include "archive/direct_store.h"
#include "archive/frame_store.h"
#include "archive/plain_store.h"
#include "compress/stored.h"
#include "sys/full_io.h"

namespace frazil::archive {
namespace {

constexpr size_t kPieceBytes = kFrameBytes;

}  // namespace

Result<std::unique_ptr<Archive>> Archive::open(UniqueFd output, OutputForm form,
                                               const std::optional<Compression>& compression, bool digests,
                                               std::shared_ptr<page::Counters> counters) noexcept {
  auto opened = Output::open(std::move(output), form);
  if (!opened.ok()) return opened.error();
  if (compression) {
    // Now, and not when the tree is frozen.
    if (auto codec = compress::open_compressor(compression->codec, compression->level); !codec.ok())
      return codec.error();
  }
  std::unique_ptr<Archive> archive(new Archive(std::move(opened).value(), compression, std::move(counters)));
  if (digests) {
    auto made = MemberDigests::open();
    if (!made.ok()) return made.error();
    archive->digests_ = std::move(made).value();
  }
  return archive;
}

Result<std::unique_ptr<page::Store>> Archive::direct_store(unsigned workers) noexcept {
  if (output_.form() != OutputForm::file || digests_) return SysError{EINVAL, "lseek"};
  std::unique_ptr<page::Store> inner;
  if (compression_) {
    auto frames = FrameStore::open(*compression_, frames_, members_, *counters_);
    if (!frames.ok()) return frames.error();
    inner = std::move(frames).value();
  } else {
    inner = std::make_unique<PlainStore>(output_, members_, workers, *counters_);
  }
  return std::unique_ptr<page::Store>(std::make_unique<DirectStore>(std::move(inner), *this));
}

Result<std::unique_ptr<page::Store>> Archive::absorbing_store(UniqueFd spill_directory, unsigned workers,
                                                              uint64_t memory_bytes) noexcept {
  return std::unique_ptr<page::Store>(
      std::make_unique<AbsorbingStore>(*this, std::move(spill_directory), workers, memory_bytes));
}

Result<void> Archive::set_heads(std::vector<Bytes> heads) noexcept {
  const bool fit = heads.size() == members_.images().size() + 1 &&
                   std::all_of(heads.begin(), heads.end(), [](const Bytes& head) { return head.size() == kHeadBytes; });
  if (!fit) return SysError{EINVAL, "pwrite"};
  heads_ = std::move(heads);
  return {};
}

Result<void> Archive::patch_heads() noexcept {
  if (heads_.empty()) return SysError{EINVAL, "pwrite"};
  if (auto patched = patch(0, heads_.front()); !patched.ok()) return patched;
  for (size_t i = 0; i < members_.images().size(); ++i) {
    const uint64_t at = members_.images()[i]->start - kHeadBytes;
    if (auto patched = patch(at, heads_[i + 1]); !patched.ok()) return patched;
  }
  return {};
}

Result<void> Archive::patch(uint64_t at, const Bytes& head) noexcept {
  if (!compression_) return output_.write_at(at, head);
  const auto place = frames_.place_of(at);
  if (!place) return SysError{EIO, "pwrite"};
  return output_.write_at(*place, compress::stored_frame(compression_->codec, head));
}

Result<std::unique_ptr<Appender>> Archive::appender(const Cancel& cancel) noexcept {
  if (compression_) return make_frame_appender(*compression_, frames_, *counters_, cancel);
  return make_plain_appender(output_, *counters_, cancel);
}

Result<void> Archive::append(int directory, std::span<const Addition> additions, const Cancel& cancel) noexcept {
  auto opened = appender(cancel);
  if (!opened.ok()) return opened.error();
  for (const Addition& addition : additions) {
    if (auto done = append_one(*opened.value(), directory, addition, cancel); !done.ok()) return done;
  }
  return opened.value()->flush();
}

Result<void> Archive::append_one(Appender& appender, int directory, const Addition& addition,
                                 const Cancel& cancel) noexcept {
  const auto put = [&](std::span<const std::byte> bytes) noexcept {
    return addition.within ? write(appender, bytes) : appender.write(bytes);
  };
  if (digests_ && !addition.within) {
    if (auto begun = digests_->begin(); !begun.ok()) return begun;
  }
  if (auto written = put(addition.head); !written.ok() || addition.name.empty()) return written;
  const auto file = open_member(directory, addition);
  if (!file.ok()) return file.error();
  if (auto copied = append_file(appender, file.value().get(), addition.bytes, cancel); !copied.ok()) return copied;
  return put(padding_of(addition.bytes));
}

Result<void> Archive::append_file(Appender& appender, int file, uint64_t bytes, const Cancel& cancel) noexcept {
  Bytes piece(std::min<uint64_t>(kPieceBytes, bytes));
  for (uint64_t at = 0; at < bytes;) {
    if (cancel.cancelled()) return SysError{ECANCELED, "pread"};
    const size_t wanted = std::min<uint64_t>(piece.size(), bytes - at);
    const auto got = pread_full(file, piece.data(), wanted, at);
    if (!got.ok()) return got.error();
    if (got.value() < wanted) return SysError{EIO, "pread"};
    if (auto written = write(appender, std::span(piece).first(wanted)); !written.ok()) return written;
    at += wanted;
  }
  return {};
}

Result<void> Archive::write(Appender& appender, std::span<const std::byte> bytes) noexcept {
  if (digests_) {
    if (auto seen = digests_->see(bytes); !seen.ok()) return seen;
  }
  return appender.write(bytes);
}

Result<std::vector<crypto::Sha256Digest>> Archive::digests() noexcept {
  return digests_ ? digests_->all() : std::vector<crypto::Sha256Digest>{};
}

Result<void> Archive::finish(bool sync, const Cancel& cancel) noexcept {
  if (cancel.cancelled()) return SysError{ECANCELED, "fdatasync"};
  if (compression_ && compression_->codec != compress::Codec::gzip) {
    if (auto table = frames_.append_seek_table(cancel); !table.ok()) return table;
  }
  auto finished = output_.finish(sync);
  if (finished.ok() && output_.form() == OutputForm::stream) output_.close();
  return finished;
}

}  // namespace frazil::archive
