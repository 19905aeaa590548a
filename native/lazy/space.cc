#include "lazy/space.h"

#include <algorithm>

namespace frazil::lazy {
namespace {

using page::kPageSize;

constexpr uint64_t kWord = 64;

// Bits [from, from + n) of a word, n at least 1.
uint64_t mask_of(uint64_t from, uint64_t n) noexcept {
  return (n == kWord ? ~uint64_t{0} : (uint64_t{1} << n) - 1) << from;
}

Range part(const Range& range, uint64_t from, uint64_t to) noexcept {
  return {from, range.first + (from - range.at) / kPageSize, (to - from) / kPageSize};
}

}  // namespace

Layout::Layout(page::ImageId image, std::vector<page::PagemapEntry> runs) : image_(image), runs_(std::move(runs)) {
  firsts_.reserve(runs_.size());
  for (const page::PagemapEntry& run : runs_) {
    firsts_.push_back(pages_);
    pages_ += run.pages;
  }
}

uint64_t Layout::vaddr_of(uint64_t index) const noexcept {
  const auto after = std::upper_bound(firsts_.begin(), firsts_.end(), index);
  const auto i = static_cast<size_t>(after - firsts_.begin()) - 1;
  return runs_[i].vaddr + (index - firsts_[i]) * kPageSize;
}

std::optional<Layout::Stretch> Layout::stretch_at(uint64_t vaddr) const noexcept {
  const auto at = std::partition_point(runs_.begin(), runs_.end(), [&](const auto& run) { return run.end() <= vaddr; });
  if (at == runs_.end() || at->vaddr > vaddr) return std::nullopt;
  const uint64_t skipped = (vaddr - at->vaddr) / kPageSize;
  return Stretch{firsts_[static_cast<size_t>(at - runs_.begin())] + skipped, at->pages - skipped};
}

Space::Space(UniqueFd uffd, std::shared_ptr<const Layout> layout, pid_t pid, std::shared_ptr<const Tree> tree)
    : fd_(std::move(uffd)),
      pid_(pid),
      tree_(std::move(tree)),
      layout_(std::move(layout)),
      marks_((layout_->pages() + kWord - 1) / kWord),
      missing_(layout_->pages()) {
  segments_.reserve(layout_->runs());
  for (size_t i = 0; i < layout_->runs(); ++i)
    segments_.push_back({layout_->run(i).vaddr, layout_->first_of(i), layout_->run(i).pages});
}

Space::Space(UniqueFd uffd, const Space& parent)
    : fd_(std::move(uffd)),
      pid_(0),
      tree_(parent.tree_),
      layout_(parent.layout_),
      segments_(parent.segments_),
      moved_(parent.moved_),
      marks_(parent.marks_.size()),
      missing_(parent.missing()) {
  for (size_t i = 0; i < marks_.size(); ++i)
    marks_[i].store(parent.marks_[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
}

// The first segment that ends after `address`.
size_t Space::segment_touching(uint64_t address) const noexcept {
  const auto at = std::partition_point(segments_.begin(), segments_.end(),
                                       [&](const Range& segment) { return segment.end() <= address; });
  return static_cast<size_t>(at - segments_.begin());
}

bool Space::is_marked(uint64_t index) const noexcept {
  return (marks_[index / kWord].load(std::memory_order_acquire) >> index % kWord & 1) != 0;
}

Space::State Space::state_at(uint64_t address) const noexcept {
  const size_t i = segment_touching(address);
  if (i == segments_.size() || segments_[i].at > address) return State::foreign;
  const uint64_t index = segments_[i].first + (address - segments_[i].at) / kPageSize;
  return is_marked(index) ? State::present : State::missing;
}

Range Space::missing_at(uint64_t address, uint64_t pages) const noexcept {
  const Range& segment = segments_[segment_touching(address)];
  const uint64_t first = segment.first + (address - segment.at) / kPageSize;
  const uint64_t limit = std::min(pages, (segment.end() - address) / kPageSize);
  uint64_t n = 1;
  while (n < limit && !is_marked(first + n)) ++n;
  return {address, first, n};
}

std::optional<Range> Space::first_missing(const Range& range, uint64_t pages) const noexcept {
  for (uint64_t i = 0; i < range.pages;) {
    const uint64_t index = range.first + i;
    const uint64_t unmarked = ~marks_[index / kWord].load(std::memory_order_acquire) >> index % kWord;
    // Whole words at a time: most of a space is either there or not.
    if (unmarked == 0) {
      i += kWord - index % kWord;
      continue;
    }
    i += static_cast<uint64_t>(__builtin_ctzll(unmarked));
    if (i < range.pages) return missing_at(range.at + i * kPageSize, pages);
  }
  return std::nullopt;
}

std::optional<Range> Space::next_missing(uint64_t address, uint64_t pages) const noexcept {
  for (size_t i = segment_touching(address); i < segments_.size(); ++i) {
    const uint64_t from = std::max(address, segments_[i].at);
    if (auto found = first_missing(part(segments_[i], from, segments_[i].end()), pages)) return found;
  }
  return std::nullopt;
}

std::optional<Range> Space::missing_of(uint64_t first, uint64_t pages) const noexcept {
  const auto begin =
      moved_ ? segments_.begin() : std::partition_point(segments_.begin(), segments_.end(), [&](const Range& segment) {
        return segment.first + segment.pages <= first;
      });
  for (auto at = begin; at != segments_.end(); ++at) {
    if (!moved_ && at->first >= first + pages) break;
    const uint64_t from = std::max(first, at->first);
    const uint64_t to = std::min(first + pages, at->first + at->pages);
    if (from >= to) continue;
    const uint64_t start = at->at + (from - at->first) * kPageSize;
    auto found = first_missing({start, from, to - from}, to - from);
    if (!found) continue;
    found->pages = std::min(found->pages, to - found->first);
    return found;
  }
  return std::nullopt;
}

uint64_t Space::mark(uint64_t first, uint64_t pages) noexcept {
  uint64_t fresh = 0;
  for (uint64_t i = 0; i < pages;) {
    const uint64_t bit = (first + i) % kWord;
    const uint64_t n = std::min(kWord - bit, pages - i);
    const uint64_t mask = mask_of(bit, n);
    const uint64_t before = marks_[(first + i) / kWord].fetch_or(mask, std::memory_order_acq_rel);
    fresh += static_cast<uint64_t>(__builtin_popcountll(mask & ~before));
    i += n;
  }
  missing_.fetch_sub(fresh, std::memory_order_acq_rel);
  return fresh;
}

uint64_t Space::missing_in(const Range& range) const noexcept {
  uint64_t n = 0;
  for (uint64_t i = 0; i < range.pages;) {
    const uint64_t bit = (range.first + i) % kWord;
    const uint64_t length = std::min(kWord - bit, range.pages - i);
    const uint64_t word = marks_[(range.first + i) / kWord].load(std::memory_order_acquire);
    n += static_cast<uint64_t>(__builtin_popcountll(mask_of(bit, length) & ~word));
    i += length;
  }
  return n;
}

// Takes what lies in [from, to) out, cutting segments at both ends.
Space::Segments Space::cut(uint64_t from, uint64_t to) noexcept {
  Segments taken;
  Segments kept;
  const size_t begin = segment_touching(from);
  size_t end = begin;
  for (; end < segments_.size() && segments_[end].at < to; ++end) {
    const Range& segment = segments_[end];
    const uint64_t left = std::max(from, segment.at);
    const uint64_t right = std::min(to, segment.end());
    if (segment.at < left) kept.push_back(part(segment, segment.at, left));
    taken.push_back(part(segment, left, right));
    if (right < segment.end()) kept.push_back(part(segment, right, segment.end()));
  }
  const auto at = segments_.erase(segments_.begin() + static_cast<ptrdiff_t>(begin),
                                  segments_.begin() + static_cast<ptrdiff_t>(end));
  segments_.insert(at, kept.begin(), kept.end());
  return taken;
}

uint64_t Space::drop(uint64_t from, uint64_t to) noexcept {
  uint64_t lost = 0;
  for (const Range& range : cut(from, to)) lost += missing_in(range);
  missing_.fetch_sub(lost, std::memory_order_acq_rel);
  return lost;
}

uint64_t Space::move(uint64_t from, uint64_t to, uint64_t bytes) noexcept {
  Segments taken = cut(from, from + bytes);
  // What was at the new place has been unmapped; its event comes first, but need not.
  const uint64_t lost = drop(to, to + bytes);
  for (Range& range : taken) range.at = to + (range.at - from);
  if (taken.empty()) return lost;
  moved_ = true;
  segments_.insert(segments_.begin() + static_cast<ptrdiff_t>(segment_touching(to)), taken.begin(), taken.end());
  return lost;
}

}  // namespace frazil::lazy
