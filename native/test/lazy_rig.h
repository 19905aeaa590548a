#pragma once

// A server's threads on a real userfaultfd over memory of this process: what their tests share.

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>

#include "lazy/background.h"
#include "lazy/fault_loop.h"
#include "page/deliver_runs.h"

namespace frazil::lazy {

using page::kPageSize;

constexpr uint64_t kPages = 2048;

// Page p holds p + 1 in each word; every seventh is zero.
inline uint64_t word_of(uint64_t page) { return page % 7 == 0 ? 0 : page + 1; }

class PatternSource final : public page::Source {
 public:
  explicit PatternSource(uint64_t base) : base_(base) {}
  std::atomic<uint64_t> fail_at{~uint64_t{0}};

  Result<std::vector<page::PagemapEntry>> lazy_runs(const page::ImageId&) noexcept override {
    // Two runs, so that one copy cannot go over both.
    return std::vector<page::PagemapEntry>{{base_, kPages / 2, 6}, {base_ + kPages / 2 * kPageSize, kPages / 2, 6}};
  }
  std::optional<page::SourceFailure> fetch(const page::Want& want, page::Taker& taker) noexcept override {
    std::vector<uint64_t> words(want.pages * kPageSize / sizeof(uint64_t));
    for (uint64_t i = 0; i < want.pages; ++i) {
      const uint64_t page = (want.vaddr - base_) / kPageSize + i;
      if (page >= fail_at) return page::SourceFailure{{EIO, "pread"}, want.image, want.vaddr + i * kPageSize};
      std::fill_n(words.begin() + static_cast<long>(i * kPageSize / 8), kPageSize / 8, word_of(page));
    }
    const auto* bytes = reinterpret_cast<const std::byte*>(words.data());
    auto taken = page::deliver_runs({want.image, want.vaddr, want.pages, bytes}, taker);
    if (!taken.ok()) return page::SourceFailure{taken.error(), want.image, want.vaddr};
    return std::nullopt;
  }

 private:
  uint64_t base_;
};

struct Region {
  std::byte* memory;
  UniqueFd uffd;
  uint64_t base() const { return reinterpret_cast<uintptr_t>(memory); }
};

// Far below everything else, where the kernel looks last for room: the hole that a move leaves must not become somebody's malloc(), which the
// next move would replace.
inline std::byte* map_far(size_t bytes, int protection) {
  constexpr uint64_t kFar = uint64_t{64} << 30;
  constexpr uint64_t kApart = uint64_t{1} << 30;
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  void* near = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  (void)::munmap(near, bytes);
  auto* wanted = static_cast<std::byte*>(near) - kFar;
  while (::mmap(wanted, bytes, protection, kFlags, -1, 0) != wanted) wanted -= kApart;
  return wanted;
}

// Nothing where the kernel or the user may not.
inline std::optional<Region> open_region(uint64_t features = 0) {
  UniqueFd uffd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
  if (!uffd) return std::nullopt;
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = features;
  if (::ioctl(uffd.get(), UFFDIO_API, &api) == -1) return std::nullopt;
  std::byte* const memory = map_far(kPages * kPageSize, PROT_READ | PROT_WRITE);
  uffdio_register range{};
  range.range = {reinterpret_cast<uintptr_t>(memory), kPages * kPageSize};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (::ioctl(uffd.get(), UFFDIO_REGISTER, &range) == -1) return std::nullopt;
  return Region{memory, std::move(uffd)};
}

struct Rig {
  explicit Rig(Region region)
      : memory(region.memory),
        source(region.base()),
        verdict(Verdict::open().value()),
        spaces(Spaces::open(board).value()),
        backlog(Backlog::open().value()),
        events(*spaces, board, verdict),
        filler(*spaces, events, *backlog, board, verdict),
        background(*spaces, filler, source, board, verdict, {}, 0),
        faults(*spaces, events, *backlog, filler, source, board, verdict, nullptr) {
    const page::ImageId image{page::ImageId::Kind::task, 1};
    auto layout = std::make_shared<const Layout>(image, source.lazy_runs(image).value());
    tree->restored = true;
    (void)spaces->add(std::make_shared<Space>(std::move(region.uffd), layout, ::getpid(), tree));
  }
  ~Rig() { (void)::munmap(memory, kPages * kPageSize); }

  std::byte* memory;
  Board board{};
  PatternSource source;
  Verdict verdict;
  std::unique_ptr<Spaces> spaces;
  std::unique_ptr<Backlog> backlog;
  Events events;
  Filler filler;
  Background background;
  FaultLoop faults;
  std::shared_ptr<Tree> tree = std::make_shared<Tree>();
};

}  // namespace frazil::lazy
