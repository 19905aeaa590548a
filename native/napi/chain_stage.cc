// stageChain: a chain as the one level that CRIU restores from while the rest comes lazily.

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
    Napi::Object view = Napi::Object::New(env);
    if (fault_) view.Set("fault", to_view(env, *fault_));
    return Napi::Value(view);
  }

  UniqueFd directory_;
  std::vector<page::StagedImage> images_;
  UniqueFd to_;
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

// stageChain({ directory, images: { name, lazy: Uint8Array }[], to }) -> Job<{ fault? }>
Napi::Value stage_chain(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(property(info[0], "directory"));
  if (!directory) return {};
  const Napi::Value given = property(info[0], "images");
  if (!given.IsArray()) return throw_misuse(info.Env(), "images: an array");
  std::vector<page::StagedImage> images;
  const auto list = given.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    auto name = to_string(property(list.Get(i), "name"), "name: a string");
    if (!name) return {};
    auto lazy = to_ranges(property(list.Get(i), "lazy"));
    if (!lazy) return {};
    images.push_back({std::move(*name), std::move(*lazy)});
  }
  auto to = Fd::duplicate(property(info[0], "to"));
  if (!to) return {};
  return Job::start(info.Env(), "frazil-stage",
                    std::make_unique<StageChainJob>(std::move(*directory), std::move(images), std::move(*to)),
                    info.Env().Undefined());
}

}  // namespace

void define_chain_stage(Napi::Env env, Napi::Object exports) {
  exports.Set("stageChain", Napi::Function::New<stage_chain>(env, "stageChain"));
}

}  // namespace frazil
