// The writer of an archive for TypeScript, which knows names and headers; the pages come by a PageSink that is given this writer.

#include "napi/archive.h"

#include "napi/additions.h"
#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/counters.h"
#include "napi/fd.h"
#include "napi/job.h"

namespace frazil {
namespace {

constexpr napi_type_tag kTag = {0x6672617a696c4172, 0x63686976655772a7};

std::optional<compress::Codec> to_codec(const std::string& name) {
  if (name == "zstd") return compress::Codec::zstd;
  if (name == "lz4") return compress::Codec::lz4;
  if (name == "gzip") return compress::Codec::gzip;
  return std::nullopt;
}

archive::Bytes copy_of(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

// A level may be negative.
std::optional<archive::Compression> to_compression(const Napi::Value& value) {
  const auto name = to_string(property(value, "codec"), "codec: 'zstd', 'lz4' or 'gzip'");
  if (!name) return std::nullopt;
  const auto threads = to_unsigned(property(value, "threads"), "threads: a number");
  const auto codec = to_codec(*name);
  const Napi::Value level = property(value, "level");
  if (!threads) return std::nullopt;
  if (!codec || !level.IsNumber()) {
    (void)throw_misuse(value.Env(), "compression: { codec, level, threads }");
    return std::nullopt;
  }
  return archive::Compression{*codec, level.As<Napi::Number>().Int32Value(), static_cast<unsigned>(*threads)};
}

class ArchiveJob : public Job {
 public:
  explicit ArchiveJob(std::shared_ptr<SharedArchive> shared) noexcept : shared_(std::move(shared)) {}

 protected:
  Snapshot snapshot() const override {
    return [counters = shared_->counters](Napi::Env env) { return counters_view(env, *counters); };
  }
  archive::Archive& archive() noexcept { return *shared_->archive; }

  Result<void> outcome_;

 private:
  Result<Napi::Value> settle(Napi::Env env) override {
    if (!outcome_.ok()) return outcome_.error();
    return env.Undefined();
  }

  std::shared_ptr<SharedArchive> shared_;
};

class AppendJob final : public ArchiveJob {
 public:
  AppendJob(std::shared_ptr<SharedArchive> shared, UniqueFd directory,
            std::vector<archive::Addition> additions) noexcept
      : ArchiveJob(std::move(shared)), directory_(std::move(directory)), additions_(std::move(additions)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd directory = std::move(directory_);
    outcome_ = archive().append(directory.get(), additions_, cancel);
  }

  UniqueFd directory_;
  std::vector<archive::Addition> additions_;
};

class FinishJob final : public ArchiveJob {
 public:
  FinishJob(std::shared_ptr<SharedArchive> shared, bool sync) noexcept : ArchiveJob(std::move(shared)), sync_(sync) {}

 private:
  void run(const Cancel& cancel) noexcept override { outcome_ = archive().finish(sync_, cancel); }

  bool sync_;
};

class ArchiveWriter : public Napi::ObjectWrap<ArchiveWriter> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "ArchiveWriter",
        {InstanceMethod<&ArchiveWriter::members>("members"), InstanceMethod<&ArchiveWriter::set_heads>("setHeads"),
         InstanceMethod<&ArchiveWriter::append>("append"), InstanceMethod<&ArchiveWriter::finish>("finish"),
         InstanceMethod<&ArchiveWriter::close>("close"), InstanceMethod<&ArchiveWriter::bytes>("bytes"),
         InstanceMethod<&ArchiveWriter::digests>("digests")});
  }

  explicit ArchiveWriter(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ArchiveWriter>(info) {
    if (IsEmpty()) return;
    (void)napi_type_tag_object(info.Env(), info.This(), &kTag);
    open(info);
  }

  std::shared_ptr<SharedArchive> shared;  // empty when closed

 private:
  // new ArchiveWriter({ output: Fd, form: 'file' | 'stream', digests?: boolean, compression?: { codec, level, threads } })
  void open(const Napi::CallbackInfo& info) {
    auto output = Fd::duplicate(property(info[0], "output"));
    if (!output) return;
    const auto form = to_string(property(info[0], "form"), "form: 'file' or 'stream'");
    if (!form) return;
    std::optional<archive::Compression> compression;
    if (const auto given = property(info[0], "compression"); !given.IsUndefined()) {
      compression = to_compression(given);
      if (!compression) return;
    }
    auto counters = std::make_shared<page::Counters>();
    const auto kind = *form == "file" ? archive::OutputForm::file : archive::OutputForm::stream;
    const Napi::Value digests = property(info[0], "digests");
    const bool digest = digests.IsBoolean() && digests.As<Napi::Boolean>().Value();
    auto opened = archive::Archive::open(std::move(*output), kind, compression, digest, counters);
    if (!opened.ok()) {
      (void)throw_failure(info.Env(), opened.error());
      return;
    }
    shared = std::make_shared<SharedArchive>(SharedArchive{std::move(counters), std::move(opened).value()});
  }

  // [{ pagesId, at, bytes }]
  Napi::Value members(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env())) return {};
    const auto& images = shared->archive->members().images();
    Napi::Array list = Napi::Array::New(info.Env(), images.size());
    for (uint32_t i = 0; i < images.size(); ++i) {
      Napi::Object member = Napi::Object::New(info.Env());
      member.Set("pagesId", images[i]->map.pages_id());
      member.Set("at", static_cast<double>(images[i]->start));
      member.Set("bytes", static_cast<double>(images[i]->bytes));
      list.Set(i, member);
    }
    return list;
  }

  void set_heads(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env())) return;
    if (!info[0].IsArray()) return (void)throw_misuse(info.Env(), "heads: an array of bytes");
    const auto list = info[0].As<Napi::Array>();
    std::vector<archive::Bytes> heads;
    for (uint32_t i = 0; i < list.Length(); ++i) {
      const auto head = to_bytes(list.Get(i), "heads: an array of bytes");
      if (!head) return;
      heads.push_back(copy_of(*head));
    }
    const auto set = shared->archive->set_heads(std::move(heads));
    if (!set.ok()) (void)throw_failure(info.Env(), set.error());
  }

  // append(directory: Fd, [{ head, name?, bytes? }]) -> Job<void>
  Napi::Value append(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env())) return {};
    auto directory = Fd::duplicate(info[0]);
    if (!directory) return {};
    auto additions = to_additions(info[1]);
    if (!additions) return {};
    return Job::start(info.Env(), "frazil-append",
                      std::make_unique<AppendJob>(shared, std::move(*directory), std::move(*additions)), info[2]);
  }

  // finish(sync: boolean) -> Job<void>
  Napi::Value finish(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env())) return {};
    const auto sync = to_boolean(info[0], "sync: a boolean");
    if (!sync) return {};
    return Job::start(info.Env(), "frazil-finish", std::make_unique<FinishJob>(shared, *sync), info[1]);
  }

  Napi::Value bytes(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env())) return {};
    return Napi::Number::New(info.Env(), static_cast<double>(shared->archive->bytes()));
  }

  // [Uint8Array] of every member so far, in the order of the stream
  Napi::Value digests(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env())) return {};
    const auto all = shared->archive->digests();
    if (!all.ok()) return throw_failure(info.Env(), all.error());
    Napi::Array list = Napi::Array::New(info.Env(), all.value().size());
    for (uint32_t i = 0; i < all.value().size(); ++i) list.Set(i, new_bytes(info.Env(), all.value()[i]));
    return list;
  }

  // The output is closed when no job and no page sink uses it any more.
  void close(const Napi::CallbackInfo&) { shared.reset(); }

  bool is_closed(Napi::Env env) {
    if (shared) return false;
    (void)throw_misuse(env, "the archive is closed");
    return true;
  }
};

}  // namespace

std::shared_ptr<SharedArchive> archive_from(const Napi::Value& value) {
  bool ours = false;
  if (value.IsObject()) (void)napi_check_object_type_tag(value.Env(), value, &kTag, &ours);
  if (!ours) {
    (void)throw_misuse(value.Env(), "archive: an ArchiveWriter");
    return {};
  }
  auto shared = ArchiveWriter::Unwrap(value.As<Napi::Object>())->shared;
  if (!shared) (void)throw_misuse(value.Env(), "the archive is closed");
  return shared;
}

void define_archive(Napi::Env env, Napi::Object exports) { exports.Set("ArchiveWriter", ArchiveWriter::define(env)); }

}  // namespace frazil
