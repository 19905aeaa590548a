#include "transfer/bases.h"

#include <fcntl.h>

#include <cstring>

#include "page/pagemap.h"
#include "sys/full_io.h"

namespace frazil::transfer {
namespace {

using page::kPageSize;

constexpr SysError kUnsound{EPROTO, "recv"};

}  // namespace

void Bases::add(UniqueFd directory, std::map<uint64_t, uint32_t> files) noexcept {
  levels_.push_back({std::move(directory), std::move(files)});
}

Result<void> Bases::apply(const FrameHead& head, std::span<const std::byte> records,
                          std::span<std::byte> pages) noexcept {
  for (size_t i = 0; i < head.pages; ++i) {
    PatchHead patch;
    if (records.size() < sizeof patch) return kUnsound;
    std::memcpy(&patch, records.data(), sizeof patch);
    records = records.subspan(sizeof patch);
    if (patch.bytes > records.size() || patch.bytes > kMaxDeltaBytes || patch.place >= kMaxFirst) return kUnsound;
    const auto file = file_of(head.image, patch.level);
    if (!file.ok()) return file.error();
    const Page page(pages.subspan(i * kPageSize, kPageSize));
    const auto got = pread_full(file.value()->get(), page.data(), kPageSize, patch.place * kPageSize);
    if (!got.ok()) return got.error();
    if (got.value() != kPageSize) return kUnsound;
    if (auto applied = apply_delta(records.first(patch.bytes), page); !applied.ok()) return applied;
    records = records.subspan(patch.bytes);
  }
  return records.empty() ? Result<void>() : kUnsound;
}

Result<std::shared_ptr<const UniqueFd>> Bases::file_of(uint64_t image, uint32_t level) noexcept {
  if (level >= levels_.size()) return kUnsound;
  const std::lock_guard lock(mutex_);
  for (const Open& open : open_) {
    if (open.file && open.image == image && open.level == level) return open.file;
  }
  const auto& [directory, files] = levels_[level];
  const auto found = files.find(image);
  if (found == files.end()) return kUnsound;
  UniqueFd file(::openat(directory.get(), page::pages_name(found->second).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return SysError{errno, "openat"};
  Open& slot = open_[next_++ % open_.size()];
  slot = {image, level, std::make_shared<const UniqueFd>(std::move(file))};
  return slot.file;
}

}  // namespace frazil::transfer
