#include "transfer/frame.h"

namespace frazil::transfer {
namespace {

constexpr unsigned kKindBits = 8;
constexpr uint64_t kTask = 1;
constexpr uint64_t kShmem = 2;

}  // namespace

uint64_t image_key(const page::ImageId& id) noexcept {
  return id.id << kKindBits | (id.kind == page::ImageId::Kind::task ? kTask : kShmem);
}

page::ImageId image_of(uint64_t key) noexcept {
  const bool task = (key & ((1 << kKindBits) - 1)) == kTask;
  return {task ? page::ImageId::Kind::task : page::ImageId::Kind::shmem, key >> kKindBits};
}

bool is_sound(const MapEntry& entry) noexcept {
  constexpr uint64_t kMaxBytes = uint64_t{1} << 62;
  if (entry.vaddr % page::kPageSize != 0 || entry.vaddr >= kMaxBytes) return false;
  if (entry.pages == 0 || entry.pages > kMaxBytes / page::kPageSize) return false;
  const bool parent = (entry.flags & page::kParent) != 0;
  const bool present = (entry.flags & page::kPresent) != 0;
  return (entry.flags & ~page::kKnownFlags) == 0 && parent != present;
}

bool is_plausible(const FrameHead& head) noexcept {
  const uint64_t kind = head.image & ((1 << kKindBits) - 1);
  const bool named = kind == kTask || kind == kShmem;
  switch (static_cast<FrameKind>(head.kind)) {
    case FrameKind::pages:
      return named && head.pages > 0 && head.pages <= kMaxFramePages && head.first < kMaxFirst &&
             head.bytes == head.pages * page::kPageSize;
    case FrameKind::lz4:
    case FrameKind::zstd:
      return named && head.pages > 0 && head.pages <= kMaxFramePages && head.first < kMaxFirst && head.bytes > 0 &&
             head.bytes < head.pages * page::kPageSize;
    case FrameKind::patched:
      return named && head.pages > 0 && head.pages <= kMaxFramePages && head.first < kMaxFirst &&
             head.bytes >= head.pages * sizeof(PatchHead) && head.bytes <= head.pages * kMaxPatchBytes;
    case FrameKind::zero:
      return named && head.pages > 0 && head.pages <= kMaxFramePages && head.first < kMaxFirst && head.bytes == 0;
    case FrameKind::map:
      return named && head.pages == 0 && head.first == 0 && head.bytes % sizeof(MapEntry) == 0 &&
             head.bytes <= kMaxMapEntries * sizeof(MapEntry);
    case FrameKind::barrier:
      return head.image == 0 && head.pages == 0 && head.first == 0 && head.bytes == 0;
  }
  return false;
}

}  // namespace frazil::transfer
