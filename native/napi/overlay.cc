// readMemory and overlayImages: the few bytes of a task's memory that a rewriting is about.

#include <memory>

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/image_views.h"
#include "napi/job.h"
#include "page/levels.h"
#include "page/overlay.h"

namespace frazil {
namespace {

using page::ImageFault;

// An environment and its arguments are at most a quarter of the stack's limit, usually 2 MiB.
constexpr uint64_t kMaxBytes = uint64_t{16} << 20;

class ReadJob final : public Job {
 public:
  ReadJob(UniqueFd directory, std::string name, uint64_t vaddr, uint64_t bytes) noexcept
      : directory_(std::move(directory)), name_(std::move(name)), vaddr_(vaddr), bytes_(bytes, '\0') {}

 private:
  void run(const Cancel&) noexcept override {
    std::vector<UniqueFd> levels;
    fault_ = page::open_levels(std::move(directory_), &levels);
    if (fault_) return;
    std::vector<ImageFault> faults;
    const auto image = page::StoredImage::open(levels, name_, 1, &faults);
    fault_ = image ? page::read_memory(*image, vaddr_, &bytes_) : faults.front();
    if (fault_ && fault_->name.empty()) fault_->name = name_;
  }
  Result<Napi::Value> settle(Napi::Env env) override {
    auto view = view_of(env, fault_);
    if (!view.ok()) return view.error();
    if (!fault_) view.value().Set("bytes", new_bytes(env, std::as_bytes(std::span(bytes_))));
    return Napi::Value(view.value());
  }

  UniqueFd directory_;
  std::string name_;
  uint64_t vaddr_;
  std::string bytes_;
  std::optional<ImageFault> fault_;
};

class OverlayJob final : public Job {
 public:
  OverlayJob(UniqueFd directory, std::vector<page::OverlayImage> images, UniqueFd to) noexcept
      : directory_(std::move(directory)), images_(std::move(images)), to_(std::move(to)) {}

 private:
  void run(const Cancel&) noexcept override {
    const UniqueFd to = std::move(to_);
    std::vector<UniqueFd> levels;
    fault_ = page::open_levels(std::move(directory_), &levels);
    if (!fault_) fault_ = page::overlay_images(levels, images_, to.get());
  }
  Result<Napi::Value> settle(Napi::Env env) override {
    auto view = view_of(env, fault_);
    if (!view.ok()) return view.error();
    return Napi::Value(view.value());
  }

  UniqueFd directory_;
  std::vector<page::OverlayImage> images_;
  UniqueFd to_;
  std::optional<ImageFault> fault_;
};

// An address below 2^63, from a BigInt.
std::optional<uint64_t> to_address(const Napi::Value& value) {
  bool lossless = false;
  if (value.IsBigInt()) {
    const uint64_t address = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless && address < uint64_t{1} << 63) return address;
  }
  throw_misuse(value.Env(), "vaddr: a BigInt below 2^63");
  return {};
}

std::optional<page::OverlayImage> to_image(const Napi::Value& value) {
  page::OverlayImage image;
  const auto name = to_string(property(value, "name"), "name: a string");
  if (!name) return {};
  image.name = *name;
  const Napi::Value patches = property(value, "patches");
  if (!patches.IsArray()) {
    throw_misuse(value.Env(), "patches: an array");
    return {};
  }
  const auto list = patches.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value one = list.Get(i);
    const auto vaddr = to_address(property(one, "vaddr"));
    if (!vaddr) return {};
    const auto bytes = to_bytes(property(one, "bytes"), "bytes: a Uint8Array");
    if (!bytes) return {};
    image.patches.push_back({*vaddr, std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size())});
  }
  return image;
}

// readMemory({ directory, name, vaddr, bytes }) -> Job<{ fault?, bytes? }>
Napi::Value read_memory(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(property(info[0], "directory"));
  if (!directory) return {};
  auto name = to_string(property(info[0], "name"), "name: a string");
  if (!name) return {};
  const auto vaddr = to_address(property(info[0], "vaddr"));
  if (!vaddr) return {};
  const auto bytes = to_unsigned(property(info[0], "bytes"), "bytes: a number");
  if (!bytes) return {};
  if (*bytes > kMaxBytes) return throw_misuse(info.Env(), "bytes: at most 16 MiB");
  return Job::start(info.Env(), "frazil-read",
                    std::make_unique<ReadJob>(std::move(*directory), std::move(*name), *vaddr, *bytes),
                    info.Env().Undefined());
}

// overlayImages(directory: Fd, images: { name, patches: { vaddr, bytes }[] }[], to: Fd) -> Job<{ fault? }>
Napi::Value overlay_images(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(info[0]);
  if (!directory) return {};
  if (!info[1].IsArray()) return throw_misuse(info.Env(), "images: an array");
  std::vector<page::OverlayImage> images;
  const auto list = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    auto image = to_image(list.Get(i));
    if (!image) return {};
    images.push_back(std::move(*image));
  }
  auto to = Fd::duplicate(info[2]);
  if (!to) return {};
  return Job::start(info.Env(), "frazil-overlay",
                    std::make_unique<OverlayJob>(std::move(*directory), std::move(images), std::move(*to)),
                    info.Env().Undefined());
}

}  // namespace

void define_overlay(Napi::Env env, Napi::Object exports) {
  exports.Set("readMemory", Napi::Function::New<read_memory>(env, "readMemory"));
  exports.Set("overlayImages", Napi::Function::New<overlay_images>(env, "overlayImages"));
}

}  // namespace frazil
