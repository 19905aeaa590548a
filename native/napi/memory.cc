// Looking into the memory of checkpoints: searchMemory, diffImages.

#include <fcntl.h>

#include <memory>

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/image_views.h"
#include "napi/job.h"
#include "page/levels.h"
#include "page/memory_search.h"
#include "page/page_diff.h"

namespace frazil {
namespace {

using page::ImageFault;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

class SearchJob final : public Job {
 public:
  SearchJob(UniqueFd directory, std::vector<std::string> names, std::vector<page::BytePattern> patterns,
            const page::SearchOptions& options) noexcept
      : directory_(std::move(directory)), names_(std::move(names)), patterns_(std::move(patterns)), options_(options) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    std::vector<UniqueFd> levels;
    outcome_.fault = page::open_levels(std::move(directory_), &levels);
    if (!outcome_.fault) outcome_ = page::search_memory(levels, names_, patterns_, options_, *counters_, cancel);
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    auto shown = view_of(env, outcome_.fault);
    if (!shown.ok()) return shown.error();
    Napi::Object view = shown.value();
    view.Set("truncated", outcome_.truncated);
    Napi::Array list = Napi::Array::New(env, outcome_.matches.size());
    for (uint32_t i = 0; i < outcome_.matches.size(); ++i) list.Set(i, to_match(env, outcome_.matches[i]));
    view.Set("matches", list);
    return Napi::Value(view);
  }

  static Napi::Value to_match(Napi::Env env, const page::Match& match) {
    Napi::Object view = Napi::Object::New(env);
    view.Set("image", match.image);
    view.Set("pattern", match.pattern);
    view.Set("vaddr", Napi::BigInt::New(env, match.vaddr));
    view.Set("before", new_bytes(env, bytes_of(match.before)));
    view.Set("after", new_bytes(env, bytes_of(match.after)));
    return view;
  }

  Snapshot snapshot() const override {
    return [counters = counters_](Napi::Env env) -> Napi::Value {
      Napi::Object view = Napi::Object::New(env);
      view.Set("bytes", static_cast<double>(counters->bytes));
      view.Set("bytesTotal", static_cast<double>(counters->total));
      view.Set("matches", static_cast<double>(counters->matches));
      return view;
    };
  }

  UniqueFd directory_;
  std::vector<std::string> names_;
  std::vector<page::BytePattern> patterns_;
  page::SearchOptions options_;
  std::shared_ptr<page::SearchCounters> counters_ = std::make_shared<page::SearchCounters>();
  page::SearchOutcome outcome_;
};

class DiffJob final : public Job {
 public:
  DiffJob(UniqueFd first, UniqueFd second, std::vector<std::string> names) noexcept
      : first_(std::move(first)), second_(std::move(second)), names_(std::move(names)) {}

 private:
  struct Side {
    std::vector<UniqueFd> levels;
    std::optional<page::StoredImage> image;
  };

  void run(const Cancel& cancel) noexcept override {
    Side sides[2];
    for (uint32_t i = 0; i < 2; ++i) {
      fault_ = page::open_levels(std::move(i == 0 ? first_ : second_), &sides[i].levels);
      at_ = i;
      if (fault_) return;
    }
    for (const std::string& name : names_) {
      diffs_.emplace_back();
      if (!open(sides, name)) return;
      const auto pointer = [](const Side& side) { return side.image ? &*side.image : nullptr; };
      fault_ = page::diff_images(pointer(sides[0]), pointer(sides[1]), *counters_, cancel, &diffs_.back());
      if (fault_) return;
    }
  }

  bool open(Side (&sides)[2], const std::string& name) noexcept {
    for (uint32_t i = 0; i < 2; ++i) {
      sides[i].image.reset();
      if (::faccessat(sides[i].levels[0].get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == -1) continue;
      std::vector<ImageFault> faults;
      sides[i].image = page::StoredImage::open(sides[i].levels, name, 1, &faults);
      if (sides[i].image) continue;
      at_ = i;
      fault_ = faults.front();
      return false;
    }
    return true;
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    auto shown = view_of(env, fault_);
    if (!shown.ok()) return shown.error();
    Napi::Object view = shown.value();
    if (fault_) {
      view.Set("side", at_);
      return Napi::Value(view);
    }
    Napi::Array list = Napi::Array::New(env, diffs_.size());
    for (uint32_t i = 0; i < diffs_.size(); ++i) list.Set(i, to_runs(env, diffs_[i]));
    view.Set("images", list);
    return Napi::Value(view);
  }

  // Address, pages, change of one run after the other: a million runs are one array, not a million objects.
  static Napi::Value to_runs(Napi::Env env, const page::ImageDiff& diff) {
    std::vector<uint64_t> flat;
    flat.reserve(diff.runs.size() * 3);
    for (const page::DiffRun& run : diff.runs)
      flat.insert(flat.end(), {run.vaddr, run.pages, static_cast<uint64_t>(run.change)});
    return new_bytes(env, std::as_bytes(std::span(flat)));
  }

  Snapshot snapshot() const override {
    return [counters = counters_](Napi::Env env) -> Napi::Value {
      Napi::Object view = Napi::Object::New(env);
      view.Set("pages", static_cast<double>(counters->pages));
      view.Set("bytesRead", static_cast<double>(counters->bytes_read));
      return view;
    };
  }

  UniqueFd first_;
  UniqueFd second_;
  std::vector<std::string> names_;
  std::shared_ptr<page::DiffCounters> counters_ = std::make_shared<page::DiffCounters>();
  std::vector<page::ImageDiff> diffs_;
  std::optional<ImageFault> fault_;
  uint32_t at_ = 0;
};

std::optional<std::vector<page::BytePattern>> to_patterns(const Napi::Value& value) {
  constexpr const char* kWanted = "patterns: an array of byte arrays, each of 1 to 65536 bytes";
  std::vector<page::BytePattern> patterns;
  if (!value.IsArray()) {
    throw_misuse(value.Env(), kWanted);
    return {};
  }
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const auto bytes = to_bytes(list.Get(i), kWanted);
    if (!bytes) return {};
    if (bytes->empty() || bytes->size() > page::kMaxPattern) {
      throw_misuse(value.Env(), kWanted);
      return {};
    }
    patterns.emplace_back(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
  }
  return patterns;
}

constexpr uint64_t kMaxThreads = 64;
constexpr uint64_t kMaxContext = 4096;

// searchMemory({ directory, names, patterns, limit, context, threads }) -> Job<{ fault?, truncated, matches }>
Napi::Value search_memory(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(property(info[0], "directory"));
  if (!directory) return {};
  auto names = to_strings(property(info[0], "names"), "names: an array of strings");
  if (!names) return {};
  auto patterns = to_patterns(property(info[0], "patterns"));
  if (!patterns) return {};
  const auto limit = to_unsigned(property(info[0], "limit"), "limit: a number");
  if (!limit) return {};
  const auto context = to_unsigned(property(info[0], "context"), "context: a number");
  if (!context) return {};
  const auto threads = to_unsigned(property(info[0], "threads"), "threads: a number");
  if (!threads) return {};
  if (*limit == 0 || *context > kMaxContext || *threads == 0 || *threads > kMaxThreads)
    return throw_misuse(info.Env(), "limit, context or threads: out of range");
  const page::SearchOptions options{*limit, *context, static_cast<unsigned>(*threads)};
  return Job::start(
      info.Env(), "frazil-search",
      std::make_unique<SearchJob>(std::move(*directory), std::move(*names), std::move(*patterns), options),
      info.Env().Undefined());
}

// diffImages(first: Fd, second: Fd, names: string[]) -> Job<{ fault?, side?, images? }>
Napi::Value diff_images(const Napi::CallbackInfo& info) {
  auto first = Fd::duplicate(info[0]);
  if (!first) return {};
  auto second = Fd::duplicate(info[1]);
  if (!second) return {};
  auto names = to_strings(info[2], "names: an array of strings");
  if (!names) return {};
  return Job::start(info.Env(), "frazil-diff",
                    std::make_unique<DiffJob>(std::move(*first), std::move(*second), std::move(*names)),
                    info.Env().Undefined());
}

}  // namespace

void define_memory(Napi::Env env, Napi::Object exports) {
  exports.Set("searchMemory", Napi::Function::New<search_memory>(env, "searchMemory"));
  exports.Set("diffImages", Napi::Function::New<diff_images>(env, "diffImages"));
}

}  // namespace frazil
