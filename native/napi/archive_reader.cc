// Parts of an archive, by their place in its uncompressed stream.

#include <memory>

#include "archive/archive_pages.h"
#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/job.h"

namespace frazil {
namespace {

using archive::StreamFile;

// What a caller may ask for at once: indexes and small images.
constexpr uint64_t kMostRead = uint64_t{64} << 20;

class ReadArchiveJob final : public Job {
 public:
  ReadArchiveJob(UniqueFd file, uint64_t at, size_t bytes) noexcept : file_(std::move(file)), at_(at), bytes_(bytes) {}

 private:
  void run(const Cancel&) noexcept override {
    auto stream = StreamFile::open(std::move(file_));
    if (!stream.ok()) {
      done_ = stream.error();
      return;
    }
    stream_bytes_ = stream.value()->bytes();
    content_.resize(bytes_);
    done_ = stream.value()->read(at_, content_);
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (!done_.ok()) return done_.error();
    Napi::Object view = Napi::Object::New(env);
    view.Set("content", new_bytes(env, content_));
    view.Set("streamBytes", static_cast<double>(stream_bytes_));
    return Napi::Value(view);
  }

  UniqueFd file_;
  uint64_t at_;
  size_t bytes_;
  uint64_t stream_bytes_ = 0;
  std::vector<std::byte> content_;
  Result<void> done_{};
};

// readArchive(archive: Fd, at, bytes) -> Job<{ content, streamBytes }>
Napi::Value read_archive(const Napi::CallbackInfo& info) {
  auto file = Fd::duplicate(info[0]);
  if (!file) return {};
  const auto at = to_unsigned(info[1], "at: a number of bytes");
  if (!at) return {};
  const auto bytes = to_unsigned(info[2], "bytes: a number of bytes");
  if (!bytes) return {};
  if (*bytes > kMostRead) return throw_misuse(info.Env(), "bytes: at most 64 MiB");
  return Job::start(info.Env(), "frazil-read", std::make_unique<ReadArchiveJob>(std::move(*file), *at, *bytes),
                    info.Env().Undefined());
}

class StageEagerJob final : public Job {
 public:
  StageEagerJob(UniqueFd file, UniqueFd places, UniqueFd images, std::vector<std::string> pagemaps) noexcept
      : file_(std::move(file)),
        places_(std::move(places)),
        images_(std::move(images)),
        pagemaps_(std::move(pagemaps)) {}

 private:
  // Not cancelled: what may not come lazily is some mebibytes.
  void run(const Cancel&) noexcept override {
    const auto places = archive::read_places(places_.get());
    auto stream = StreamFile::open(std::move(file_));
    if (!places.ok())
      done_ = places.error();
    else if (!stream.ok())
      done_ = stream.error();
    else
      done_ = archive::stage_eager(*stream.value(), places.value(), images_.get(), pagemaps_);
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (!done_.ok()) return done_.error();
    return env.Undefined();
  }

  UniqueFd file_;
  UniqueFd places_;
  UniqueFd images_;
  std::vector<std::string> pagemaps_;
  Result<void> done_{};
};

// stageEager({ archive, places, images, pagemaps }) -> Job<void>
Napi::Value stage_eager(const Napi::CallbackInfo& info) {
  auto file = Fd::duplicate(property(info[0], "archive"));
  if (!file) return {};
  auto places = Fd::duplicate(property(info[0], "places"));
  if (!places) return {};
  auto images = Fd::duplicate(property(info[0], "images"));
  if (!images) return {};
  auto pagemaps = to_strings(property(info[0], "pagemaps"), "pagemaps: strings");
  if (!pagemaps) return {};
  return Job::start(
      info.Env(), "frazil-stage",
      std::make_unique<StageEagerJob>(std::move(*file), std::move(*places), std::move(*images), std::move(*pagemaps)),
      info.Env().Undefined());
}

}  // namespace

void define_archive_reader(Napi::Env env, Napi::Object exports) {
  exports.Set("readArchive", Napi::Function::New<read_archive>(env, "readArchive"));
  exports.Set("stageEager", Napi::Function::New<stage_eager>(env, "stageEager"));
}

}  // namespace frazil
