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
size_t Space::touching(const Segments& segments, uint64_t address) noexcept {
  const auto at = std::partition_point(segments.begin(), segments.end(),
                                       [&](const Range& segment) { return segment.end() <= address; });
  return static_cast<size_t>(at - segments.begin());
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

std::optional<Range> Space::next_part(uint64_t address, uint64_t pages) const noexcept {
  for (size_t i = segment_touching(address); i < segments_.size(); ++i) {
    const uint64_t from = std::max(address, segments_[i].at);
    const auto missing = first_missing(part(segments_[i], from, segments_[i].end()), 1);
    if (!missing) continue;
    const uint64_t bytes = pages * kPageSize;
    return part(segments_[i], missing->at, std::min(segments_[i].end(), (missing->at / bytes + 1) * bytes));
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
Space::Segments Space::cut(Segments& segments, uint64_t from, uint64_t to) noexcept {
  Segments taken;
  Segments kept;
  const size_t begin = touching(segments, from);
  size_t end = begin;
  for (; end < segments.size() && segments[end].at < to; ++end) {
    const Range& segment = segments[end];
    const uint64_t left = std::max(from, segment.at);
    const uint64_t right = std::min(to, segment.end());
    if (segment.at < left) kept.push_back(part(segment, segment.at, left));
    taken.push_back(part(segment, left, right));
    if (right < segment.end()) kept.push_back(part(segment, right, segment.end()));
  }
  const auto at =
      segments.erase(segments.begin() + static_cast<ptrdiff_t>(begin), segments.begin() + static_cast<ptrdiff_t>(end));
  segments.insert(at, kept.begin(), kept.end());
  return taken;
}

uint64_t Space::lose(const Segments& segments) noexcept {
  uint64_t lost = 0;
  for (const Range& range : segments) lost += missing_in(range);
  missing_.fetch_sub(lost, std::memory_order_acq_rel);
  return lost;
}

uint64_t Space::drop(uint64_t from, uint64_t to) noexcept { return lose(cut(from, to)); }

// There is nothing where they belong.
void Space::place(const Segments& segments) noexcept {
  for (const Range& one : segments)
    segments_.insert(segments_.begin() + static_cast<ptrdiff_t>(segment_touching(one.at)), one);
}

uint64_t Space::unmapped(uint64_t from, uint64_t to) noexcept {
  const auto same = std::find_if(leaving_.begin(), leaving_.end(),
                                 [&](const Leaving& one) { return one.from == from && one.to == to; });
  if (same != leaving_.end()) {
    const uint64_t lost = lose(same->segments);
    leaving_.erase(same);
    return lost;
  }
  Segments gone = cut(from, to);
  std::vector<Leaving> rest;
  uint64_t lost = 0;
  for (Leaving& one : leaving_) {
    const uint64_t left = std::max(from, one.from);
    const uint64_t right = std::min(to, one.to);
    if (left < right) {
      lost += lose(cut(one.segments, left, right));
      place(cut(gone, left, right));
    }
    if (one.from < std::min(from, one.to))
      rest.push_back({one.from, std::min(from, one.to), cut(one.segments, one.from, from)});
    if (std::max(to, one.from) < one.to) rest.push_back({std::max(to, one.from), one.to, std::move(one.segments)});
  }
  leaving_ = std::move(rest);
  return lost + lose(gone);
}

void Space::moved(uint64_t from, uint64_t to, uint64_t bytes) noexcept {
  const auto overtaken = std::find_if(leaving_.begin(), leaving_.end(), [&](const Leaving& one) {
    return !one.segments.empty() && one.from < from + bytes && from < one.to;
  });
  const bool late = overtaken != leaving_.end();
  Segments taken = cut(late ? overtaken->segments : segments_, from, from + bytes);
  if (!late) leaving_.push_back({from, from + bytes, {}});
  // What the kernel puts in the place of something else has been told of before; unless another thread was to tell.
  Segments there = cut(to, to + bytes);
  if (!there.empty()) leaving_.push_back({to, to + bytes, std::move(there)});
  for (Range& range : taken) range.at = to + (range.at - from);
  place(taken);
  moved_ = moved_ || !taken.empty();
  settled_.store(false, std::memory_order_relaxed);
}

uint64_t Space::forget_settled() noexcept {
  if (!settled_.exchange(false, std::memory_order_relaxed)) return 0;
  uint64_t lost = 0;
  for (const Leaving& one : leaving_) lost += lose(one.segments);
  leaving_.clear();
  return lost;
}

}  // namespace frazil::lazy
