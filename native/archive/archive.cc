#include "archive/archive.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "archive/absorbing_store.h"
#include "archive/direct_store.h"
#include "archive/frame_store.h"
#include "archive/plain_store.h"
#include "compress/stored.h"
#include "sys/full_io.h"

namespace frazil::archive {
namespace {

constexpr size_t kPieceBytes = kFrameBytes;

Result<void> append_file(Appender& appender, int directory, const Addition& addition, std::span<std::byte> piece,
                         const Cancel& cancel) noexcept {
  auto opened = open_member(directory, addition);
  if (!opened.ok()) return opened.error();
  const UniqueFd& file = opened.value();
  for (uint64_t at = 0; at < addition.bytes;) {
    if (cancel.cancelled()) return SysError{ECANCELED, "pread"};
    const size_t wanted = std::min<uint64_t>(piece.size(), addition.bytes - at);
    const auto got = pread_full(file.get(), piece.data(), wanted, at);
    if (!got.ok()) return got.error();
    if (got.value() < wanted) return SysError{EIO, "pread"};
    if (auto written = appender.write(piece.first(wanted)); !written.ok()) return written;
    at += wanted;
  }
  return appender.write(padding_of(addition.bytes));
}

}  // namespace

Result<std::unique_ptr<Archive>> Archive::open(UniqueFd output, OutputForm form,
                                               const std::optional<Compression>& compression,
                                               std::shared_ptr<page::Counters> counters) noexcept {
  auto opened = Output::open(std::move(output), form);
  if (!opened.ok()) return opened.error();
  if (compression) {
    // Now, and not when the tree is frozen.
    if (auto codec = compress::open_compressor(compression->codec, compression->level); !codec.ok())
      return codec.error();
  }
  return std::unique_ptr<Archive>(new Archive(std::move(opened).value(), compression, std::move(counters)));
}

Result<std::unique_ptr<page::Store>> Archive::direct_store(unsigned workers) noexcept {
  if (output_.form() != OutputForm::file) return SysError{EINVAL, "lseek"};
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
  Appender& appender = *opened.value();
  Bytes piece(kPieceBytes);
  for (const Addition& addition : additions) {
    if (auto written = appender.write(addition.head); !written.ok()) return written;
    if (addition.name.empty()) continue;
    if (auto copied = append_file(appender, directory, addition, piece, cancel); !copied.ok()) return copied;
  }
  return appender.flush();
}

Result<void> Archive::finish(bool sync, const Cancel& cancel) noexcept {
  if (cancel.cancelled()) return SysError{ECANCELED, "fdatasync"};
  if (compression_ && compression_->codec != compress::Codec::gzip) {
    if (auto table = frames_.append_seek_table(cancel); !table.ok()) return table;
  }
  return output_.finish(sync);
}

}  // namespace frazil::archive
