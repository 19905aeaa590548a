// stageChain: a chain as the one level that CRIU restores from while the rest comes lazily. unmarkedPagemaps, markPagemaps: where CRIU's dump
// has not said what may.

#include <cstring>
#include <memory>

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/image_views.h"
#include "napi/job.h"
#include "page/chain_stage.h"
#include "page/levels.h"

namespace frazil {
namespace {

class StageChainJob final : public Job {
 public:
  StageChainJob(UniqueFd directory, std::vector<page::StagedImage> images, UniqueFd to) noexcept
      : directory_(std::move(directory)), images_(std::move(images)), to_(std::move(to)) {}

 private:
  // Not cancelled: see StageEagerJob.
  void run(const Cancel&) noexcept override {
    std::vector<UniqueFd> levels;
    fault_ = page::open_levels(std::move(directory_), &levels);
    if (!fault_) fault_ = page::stage_chain(levels, images_, to_.get());
  }
  Result<Napi::Value> settle(Napi::Env env) override {
    auto view = view_of(env, fault_);
    if (!view.ok()) return view.error();
    return Napi::Value(view.value());
  }

  UniqueFd directory_;
  std::vector<page::StagedImage> images_;
  UniqueFd to_;
  std::optional<page::ImageFault> fault_;
};

class UnmarkedJob final : public Job {
 public:
  UnmarkedJob(UniqueFd directory, std::vector<std::string> names) noexcept
      : directory_(std::move(directory)), names_(std::move(names)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd directory = std::move(directory_);
    found_ = page::unmarked(directory.get(), names_, cancel);
  }
  Result<Napi::Value> settle(Napi::Env env) override {
    Napi::Array list = Napi::Array::New(env, found_.size());
    for (uint32_t i = 0; i < found_.size(); ++i) list.Set(i, found_[i]);
    return Napi::Value(list);
  }

  UniqueFd directory_;
  std::vector<std::string> names_;
  std::vector<std::string> found_;
};

class MarkJob final : public Job {
 public:
  MarkJob(UniqueFd directory, std::vector<page::StagedImage> images) noexcept
      : directory_(std::move(directory)), images_(std::move(images)) {}

 private:
  // Not cancelled: it is done in milliseconds.
  void run(const Cancel&) noexcept override {
    const UniqueFd directory = std::move(directory_);
    fault_ = page::mark_pagemaps(directory.get(), images_);
  }
  Result<Napi::Value> settle(Napi::Env env) override {
    auto view = view_of(env, fault_);
    if (!view.ok()) return view.error();
    return Napi::Value(view.value());
  }

  UniqueFd directory_;
  std::vector<page::StagedImage> images_;
  std::optional<page::ImageFault> fault_;
};

// Pairs of addresses as u64.
std::optional<std::vector<page::AddressRange>> to_ranges(const Napi::Value& value) {
  const auto bytes = to_bytes(value, "lazy: a Uint8Array");
  if (!bytes) return {};
  std::vector<page::AddressRange> ranges(bytes->size() / sizeof(page::AddressRange));
  bool good = bytes->size() % sizeof(page::AddressRange) == 0;
  uint64_t end = 0;
  for (size_t i = 0; good && i < ranges.size(); ++i) {
    std::memcpy(&ranges[i], bytes->data() + i * sizeof ranges[i], sizeof ranges[i]);
    const auto& [from, to] = ranges[i];
    good = from >= end && from < to && from % page::kPageSize == 0 && to % page::kPageSize == 0;
    end = to;
  }
  if (good) return ranges;
  throw_misuse(value.Env(), "lazy: ranges of whole pages that ascend");
  return {};
}

std::optional<std::vector<page::StagedImage>> to_images(const Napi::Value& value) {
  if (!value.IsArray()) {
    throw_misuse(value.Env(), "images: an array");
    return {};
  }
  std::vector<page::StagedImage> images;
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    auto name = to_string(property(list.Get(i), "name"), "name: a string");
    if (!name) return {};
    auto lazy = to_ranges(property(list.Get(i), "lazy"));
    if (!lazy) return {};
    images.push_back({std::move(*name), std::move(*lazy)});
  }
  return images;
}

// stageChain({ directory, images: { name, lazy: Uint8Array }[], to }) -> Job<{ fault? }>
Napi::Value stage_chain(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(property(info[0], "directory"));
  if (!directory) return {};
  auto images = to_images(property(info[0], "images"));
  if (!images) return {};
  auto to = Fd::duplicate(property(info[0], "to"));
  if (!to) return {};
  return Job::start(info.Env(), "frazil-stage",
                    std::make_unique<StageChainJob>(std::move(*directory), std::move(*images), std::move(*to)),
                    info.Env().Undefined());
}

// unmarkedPagemaps(directory: Fd, names: string[]) -> Job<string[]>
Napi::Value unmarked_pagemaps(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(info[0]);
  if (!directory) return {};
  auto names = to_strings(info[1], "names: an array of strings");
  if (!names) return {};
  return Job::start(info.Env(), "frazil-look", std::make_unique<UnmarkedJob>(std::move(*directory), std::move(*names)),
                    info.Env().Undefined());
}

// markPagemaps(directory: Fd, images: { name, lazy: Uint8Array }[]) -> Job<{ fault? }>
Napi::Value mark_pagemaps(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(info[0]);
  if (!directory) return {};
  auto images = to_images(info[1]);
  if (!images) return {};
  return Job::start(info.Env(), "frazil-mark", std::make_unique<MarkJob>(std::move(*directory), std::move(*images)),
                    info.Env().Undefined());
}

}  // namespace

void define_chain_stage(Napi::Env env, Napi::Object exports) {
  exports.Set("stageChain", Napi::Function::New<stage_chain>(env, "stageChain"));
  exports.Set("unmarkedPagemaps", Napi::Function::New<unmarked_pagemaps>(env, "unmarkedPagemaps"));
  exports.Set("markPagemaps", Napi::Function::New<mark_pagemaps>(env, "markPagemaps"));
}

}  // namespace frazil
