#include "page/memory_search.h"

#include <algorithm>
#include <mutex>

#include "core/thread.h"

namespace frazil::page {
namespace {

// Half of a processor's second cache or less, so that what was copied is still there when it is searched.
constexpr size_t kPieceBytes = size_t{256} << 10;

// Runs that follow each other in the memory of the task, wherever they lie: [first, last) of image.runs().
struct Stretch {
  uint32_t image;
  size_t first;
  size_t last;
  uint64_t begin;
  uint64_t end;
};

struct Piece {
  const Stretch* stretch;
  uint64_t begin;  // matches that begin in [begin, end) are this piece's
  uint64_t end;
};

std::vector<Stretch> stretches_of(uint32_t index, const StoredImage& image) {
  std::vector<Stretch> out;
  const auto& runs = image.runs();
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].stored()) continue;
    if (!out.empty() && out.back().last == i && out.back().end == runs[i].vaddr) {
      out.back().last = i + 1;
      out.back().end = runs[i].end();
    } else {
      out.push_back({index, i, i + 1, runs[i].vaddr, runs[i].end()});
    }
  }
  return out;
}

class Search {
 public:
  Search(const std::vector<BytePattern>& patterns, const SearchOptions& options, SearchCounters& counters,
         const Cancel& cancel) noexcept
      : patterns_(patterns), options_(options), counters_(counters), cancel_(cancel) {
    for (const BytePattern& pattern : patterns) overlap_ = std::max(overlap_, pattern.size() - 1);
  }

  std::optional<ImageFault> open(const std::vector<UniqueFd>& levels, const std::vector<std::string>& names);
  SearchOutcome run() noexcept;

 private:
  struct Worker {
    Search* search;
    Thread thread;
    void operator()() noexcept { search->work(); }
  };

  std::optional<Piece> next() noexcept;
  void work() noexcept;
  std::optional<ImageFault> search(const Piece& piece, std::vector<uint8_t>& buffer);
  std::optional<ImageFault> load(const Stretch& stretch, uint64_t from, uint64_t until, uint8_t* to) const;
  void report(std::vector<Match> found, std::optional<ImageFault> fault);

  const std::vector<BytePattern>& patterns_;
  const SearchOptions& options_;
  SearchCounters& counters_;
  const Cancel& cancel_;
  size_t overlap_ = 0;
  std::vector<StoredImage> images_;
  std::vector<Stretch> stretches_;

  std::mutex mutex_;
  size_t stretch_ = 0;  // where the next piece begins
  uint64_t at_ = 0;
  bool stopped_ = false;
  SearchOutcome outcome_;
};

std::optional<ImageFault> Search::open(const std::vector<UniqueFd>& levels, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (cancel_.cancelled()) return ImageFault{.flaw = Flaw::system, .error = {ECANCELED, "read"}};
    std::vector<ImageFault> faults;
    auto image = StoredImage::open(levels, name, 1, &faults);
    if (!image) return faults.front();
    const auto stretches = stretches_of(static_cast<uint32_t>(images_.size()), *image);
    counters_.total += image->pages() * kPageSize;
    stretches_.insert(stretches_.end(), stretches.begin(), stretches.end());
    images_.push_back(std::move(*image));
  }
  at_ = stretches_.empty() ? 0 : stretches_.front().begin;
  return {};
}

SearchOutcome Search::run() noexcept {
  std::vector<Worker> workers(options_.threads > 1 ? options_.threads - 1 : 0);
  for (Worker& worker : workers) {
    worker.search = this;
    auto thread = Thread::spawn("frazil-search", worker);
    // Fewer are slower, never wrong: a limit of pids may refuse us.
    if (!thread.ok()) break;
    worker.thread = std::move(thread).value();
  }
  work();
  for (Worker& worker : workers) worker.thread.join();
  auto& matches = outcome_.matches;
  std::sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) {
    return std::tie(a.image, a.vaddr, a.pattern) < std::tie(b.image, b.vaddr, b.pattern);
  });
  // Pieces were handed out in order and each was searched up to the limit: the first ones are all there.
  outcome_.truncated = outcome_.truncated || matches.size() > options_.limit;
  if (matches.size() > options_.limit)
    matches.erase(matches.begin() + static_cast<long>(options_.limit), matches.end());
  return std::move(outcome_);
}

std::optional<Piece> Search::next() noexcept {
  const std::lock_guard lock(mutex_);
  if (stopped_ || stretch_ == stretches_.size()) return {};
  const Stretch& stretch = stretches_[stretch_];
  const uint64_t end = std::min(stretch.end, at_ + kPieceBytes);
  const Piece piece{&stretch, at_, end};
  at_ = end;
  if (at_ == stretch.end && ++stretch_ < stretches_.size()) at_ = stretches_[stretch_].begin;
  return piece;
}

void Search::work() noexcept {
  std::vector<uint8_t> buffer(kPieceBytes + overlap_ + 2 * options_.context);
  for (auto piece = next(); piece; piece = next()) {
    std::optional<ImageFault> fault;
    if (cancel_.cancelled()) {
      fault = ImageFault{.flaw = Flaw::system, .error = {ECANCELED, "pread"}};
    } else {
      fault = search(*piece, buffer);
    }
    if (fault) report({}, std::move(fault));
  }
}

std::optional<ImageFault> Search::search(const Piece& piece, std::vector<uint8_t>& buffer) {
  const Stretch& stretch = *piece.stretch;
  const uint64_t from = std::max(stretch.begin, piece.begin - std::min(piece.begin, options_.context));
  const uint64_t until = std::min(stretch.end, piece.end + overlap_ + options_.context);
  if (auto fault = load(stretch, from, until, buffer.data())) return fault;
  const std::span<const uint8_t> text(buffer.data(), until - from);
  const auto chars = [&](size_t begin, size_t end) {
    return std::string(text.begin() + static_cast<long>(begin), text.begin() + static_cast<long>(end));
  };
  std::vector<Match> found;
  for (uint32_t i = 0; i < patterns_.size(); ++i) {
    const BytePattern& pattern = patterns_[i];
    // What begins behind the piece belongs to the next one.
    const auto whole = text.first(std::min<uint64_t>(text.size(), piece.end - from + pattern.size() - 1));
    uint64_t count = 0;
    for (size_t at = pattern.find(whole, piece.begin - from); at < whole.size() && count <= options_.limit;
         at = pattern.find(whole, at + 1), ++count) {
      const size_t behind = at + pattern.size();
      found.push_back({stretch.image, i, from + at, chars(at - std::min(at, options_.context), at),
                       chars(behind, std::min(text.size(), behind + options_.context))});
    }
  }
  counters_.bytes.fetch_add(piece.end - piece.begin, std::memory_order_relaxed);
  if (!found.empty()) report(std::move(found), {});
  return {};
}

std::optional<ImageFault> Search::load(const Stretch& stretch, uint64_t from, uint64_t until, uint8_t* to) const {
  const StoredImage& image = images_[stretch.image];
  const auto begin = image.runs().begin();
  auto run = std::partition_point(begin + static_cast<long>(stretch.first), begin + static_cast<long>(stretch.last),
                                  [&](const StoredRun& candidate) { return candidate.end() <= from; });
  for (uint64_t at = from; at < until; ++run) {
    const uint64_t end = std::min(until, run->end());
    if (auto fault = image.read(*run, at - run->vaddr, to + (at - from), end - at)) return fault;
    at = end;
  }
  return {};
}

void Search::report(std::vector<Match> found, std::optional<ImageFault> fault) {
  const std::lock_guard lock(mutex_);
  counters_.matches.fetch_add(found.size(), std::memory_order_relaxed);
  for (Match& match : found) outcome_.matches.push_back(std::move(match));
  if (fault && !outcome_.fault) outcome_.fault = std::move(fault);
  stopped_ = outcome_.fault || outcome_.matches.size() > options_.limit;
}

}  // namespace

SearchOutcome search_memory(const std::vector<UniqueFd>& levels, const std::vector<std::string>& names,
                            const std::vector<BytePattern>& patterns, const SearchOptions& options,
                            SearchCounters& counters, const Cancel& cancel) noexcept {
  Search search(patterns, options, counters, cancel);
  if (auto fault = search.open(levels, names)) {
    SearchOutcome outcome;
    outcome.fault = std::move(fault);
    return outcome;
  }
  return search.run();
}

}  // namespace frazil::page
