// Chains of images directories: printPagemap, verifyChain, dedupChain, squashImages. What is wrong with the images is a value, so
// that TypeScript can name the file and the address; a job rejects only when it was cancelled.

#include <memory>

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/fd.h"
#include "napi/image_views.h"
#include "napi/job.h"
#include "page/chain_check.h"
#include "page/levels.h"
#include "page/pagemap_json.h"
#include "page/squash.h"

namespace frazil {
namespace {

using page::ImageFault;

void set_counters(Napi::Env env, Napi::Object& view, const page::ChainCounters& counters) {
  (void)env;
  view.Set("images", static_cast<double>(counters.images));
  view.Set("runs", static_cast<double>(counters.runs));
  view.Set("pages", static_cast<double>(counters.pages));
  view.Set("parentPages", static_cast<double>(counters.parent_pages));
  view.Set("deduplicatedPages", static_cast<double>(counters.deduplicated_pages));
}

class PrintJob final : public Job {
 public:
  PrintJob(UniqueFd image, UniqueFd out, page::JsonForm form) noexcept
      : image_(std::move(image)), out_(std::move(out)), form_(form) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd image = std::move(image_);
    const UniqueFd out = std::move(out_);
    fault_ = page::print_pagemap(image.get(), out.get(), form_, cancel, &written_);
  }
  Result<Napi::Value> settle(Napi::Env env) override {
    auto view = view_of(env, fault_);
    if (!view.ok()) return view.error();
    view.value().Set("bytes", static_cast<double>(written_));
    return Napi::Value(view.value());
  }

  UniqueFd image_;
  UniqueFd out_;
  page::JsonForm form_;
  uint64_t written_ = 0;
  std::optional<ImageFault> fault_;
};

// A chain that is opened on the job's thread: its directories may lie on a network.
class ChainJob : public Job {
 public:
  ChainJob(UniqueFd directory, std::vector<std::string> names) noexcept
      : names_(std::move(names)), directory_(std::move(directory)) {}

 protected:
  virtual std::optional<ImageFault> work(std::vector<UniqueFd> levels, const Cancel& cancel) noexcept = 0;
  virtual void describe(Napi::Env env, Napi::Object& view) const = 0;

  std::vector<std::string> names_;

 private:
  void run(const Cancel& cancel) noexcept override {
    std::vector<UniqueFd> levels;
    fault_ = page::open_levels(std::move(directory_), &levels);
    depth_ = levels.size();
    if (!fault_) fault_ = work(std::move(levels), cancel);
  }
  Result<Napi::Value> settle(Napi::Env env) override {
    auto view = view_of(env, fault_);
    if (!view.ok()) return view.error();
    view.value().Set("depth", static_cast<double>(depth_));
    describe(env, view.value());
    return Napi::Value(view.value());
  }

  UniqueFd directory_;
  size_t depth_ = 0;
  std::optional<ImageFault> fault_;
};

class CheckJob final : public ChainJob {
 public:
  CheckJob(UniqueFd directory, std::vector<std::string> names, uint64_t limit) noexcept
      : ChainJob(std::move(directory), std::move(names)), limit_(limit) {}

 private:
  std::optional<ImageFault> work(std::vector<UniqueFd> levels, const Cancel& cancel) noexcept override {
    faults_ = page::verify_chain(levels, names_, limit_, counters_, cancel);
    if (!faults_.empty() && is_cancelled(faults_.front())) return faults_.front();
    return {};
  }
  void describe(Napi::Env env, Napi::Object& view) const override {
    set_counters(env, view, counters_);
    Napi::Array list = Napi::Array::New(env, faults_.size());
    for (uint32_t i = 0; i < faults_.size(); ++i) list.Set(i, to_view(env, faults_[i]));
    view.Set("faults", list);
  }

  uint64_t limit_;
  page::ChainCounters counters_;
  std::vector<ImageFault> faults_;
};

class DedupChainJob final : public ChainJob {
 public:
  using ChainJob::ChainJob;

 private:
  std::optional<ImageFault> work(std::vector<UniqueFd> levels, const Cancel& cancel) noexcept override {
    return page::dedup_chain(std::move(levels), names_, counters_, cancel);
  }
  void describe(Napi::Env env, Napi::Object& view) const override { set_counters(env, view, counters_); }

  page::ChainCounters counters_;
};

class SquashJob final : public ChainJob {
 public:
  SquashJob(UniqueFd directory, std::vector<std::string> names, UniqueFd to) noexcept
      : ChainJob(std::move(directory), std::move(names)), to_(std::move(to)) {}

 private:
  static Napi::Value to_counters(Napi::Env env, const page::SquashCounters& counters) {
    Napi::Object view = Napi::Object::New(env);
    view.Set("images", static_cast<double>(counters.images));
    view.Set("pages", static_cast<double>(counters.pages));
    view.Set("parentPages", static_cast<double>(counters.parent_pages));
    view.Set("bytesCopied", static_cast<double>(counters.bytes_copied));
    view.Set("bytesTotal", static_cast<double>(counters.bytes_total));
    return view;
  }
  std::optional<ImageFault> work(std::vector<UniqueFd> levels, const Cancel& cancel) noexcept override {
    const UniqueFd to = std::move(to_);
    return page::squash_images(levels, names_, to.get(), *counters_, cancel);
  }
  void describe(Napi::Env, Napi::Object&) const override {}
  Snapshot snapshot() const override {
    return [counters = counters_](Napi::Env env) { return to_counters(env, *counters); };
  }

  UniqueFd to_;
  std::shared_ptr<page::SquashCounters> counters_ = std::make_shared<page::SquashCounters>();
};

constexpr const char* kNames = "names: an array of strings";

// printPagemap(image: Fd, out: Fd, pretty: boolean) -> Job<{ fault?, bytes }>
Napi::Value print_pagemap(const Napi::CallbackInfo& info) {
  auto image = Fd::duplicate(info[0]);
  if (!image) return {};
  auto out = Fd::duplicate(info[1]);
  if (!out) return {};
  const auto pretty = to_boolean(info[2], "pretty: a boolean");
  if (!pretty) return {};
  const auto form = *pretty ? page::JsonForm::pretty : page::JsonForm::plain;
  return Job::start(info.Env(), "frazil-print", std::make_unique<PrintJob>(std::move(*image), std::move(*out), form),
                    info.Env().Undefined());
}

// verifyChain(directory: Fd, names: string[], limit: number) -> Job<{ fault?, depth, faults, ...counters }>
Napi::Value verify_chain(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(info[0]);
  if (!directory) return {};
  auto names = to_strings(info[1], kNames);
  if (!names) return {};
  const auto limit = to_unsigned(info[2], "limit: a number");
  if (!limit) return {};
  return Job::start(info.Env(), "frazil-verify",
                    std::make_unique<CheckJob>(std::move(*directory), std::move(*names), *limit),
                    info.Env().Undefined());
}

// dedupChain(directory: Fd, names: string[]) -> Job<{ fault?, depth, ...counters }>
Napi::Value dedup_chain(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(info[0]);
  if (!directory) return {};
  auto names = to_strings(info[1], kNames);
  if (!names) return {};
  return Job::start(info.Env(), "frazil-dedup",
                    std::make_unique<DedupChainJob>(std::move(*directory), std::move(*names)), info.Env().Undefined());
}

// squashImages(directory: Fd, names: string[], to: Fd) -> Job<{ fault?, depth }>, counters in its snapshots
Napi::Value squash_images(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(info[0]);
  if (!directory) return {};
  auto names = to_strings(info[1], kNames);
  if (!names) return {};
  auto to = Fd::duplicate(info[2]);
  if (!to) return {};
  return Job::start(info.Env(), "frazil-squash",
                    std::make_unique<SquashJob>(std::move(*directory), std::move(*names), std::move(*to)),
                    info.Env().Undefined());
}

}  // namespace

void define_chain(Napi::Env env, Napi::Object exports) {
  exports.Set("printPagemap", Napi::Function::New<print_pagemap>(env, "printPagemap"));
  exports.Set("verifyChain", Napi::Function::New<verify_chain>(env, "verifyChain"));
  exports.Set("dedupChain", Napi::Function::New<dedup_chain>(env, "dedupChain"));
  exports.Set("squashImages", Napi::Function::New<squash_images>(env, "squashImages"));
}

}  // namespace frazil
