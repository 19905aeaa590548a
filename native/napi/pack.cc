// The compression of a whole archive from a pipe (native/archive/pack.h), and bytes from JavaScript into any fd.

#include "archive/pack.h"
#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/job.h"
#include "stream/ends.h"

namespace frazil {
namespace {

class WriteJob final : public Job {
 public:
  WriteJob(UniqueFd to, std::span<const std::byte> bytes) : to_(std::move(to)), bytes_(bytes.begin(), bytes.end()) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd to = std::move(to_);
    auto writer = stream::Writer::over(to.get());
    outcome_ = writer.ok() ? writer.value().write(bytes_.data(), bytes_.size(), cancel) : writer.error();
  }
  Result<Napi::Value> settle(Napi::Env env) override {
    if (!outcome_.ok()) return outcome_.error();
    return env.Undefined();
  }

  UniqueFd to_;
  std::vector<std::byte> bytes_;
  Result<void> outcome_;
};

// writeBytes(to: Fd, bytes: Uint8Array) -> Job<void>
Napi::Value write_bytes(const Napi::CallbackInfo& info) {
  auto to = Fd::duplicate(info[0]);
  if (!to) return {};
  const auto bytes = to_bytes(info[1], "bytes: a Uint8Array");
  if (!bytes) return {};
  return Job::start(info.Env(), "frazil-write", std::make_unique<WriteJob>(std::move(*to), *bytes),
                    info.Env().Undefined());
}

struct PackRequest {
  UniqueFd from;
  UniqueFd to;
  archive::OutputForm form = archive::OutputForm::stream;
  archive::Compression compression{compress::Codec::zstd, 0, 1};
  std::vector<uint64_t> cuts;
};

class PackJob final : public Job {
 public:
  explicit PackJob(PackRequest request) noexcept : request_(std::move(request)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    PackRequest request = std::move(request_);
    auto output = archive::Output::open(std::move(request.to), request.form);
    if (!output.ok()) {
      outcome_ = output.error();
      return;
    }
    outcome_ =
        archive::pack(request.compression, request.from.get(), request.cuts, output.value(), *counters_, cancel);
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (!outcome_.ok()) return outcome_.error();
    return view(env, *counters_);
  }

  Snapshot snapshot() const override {
    return [counters = counters_](Napi::Env env) { return view(env, *counters); };
  }

  static Napi::Value view(Napi::Env env, const page::Counters& counters) {
    Napi::Object plain = Napi::Object::New(env);
    plain.Set("bytes", static_cast<double>(counters.bytes_in.load(std::memory_order_relaxed)));
    plain.Set("bytesUser", static_cast<double>(counters.bytes_out.load(std::memory_order_relaxed)));
    return plain;
  }

  PackRequest request_;
  std::shared_ptr<page::Counters> counters_ = std::make_shared<page::Counters>();
  Result<void> outcome_;
};

std::optional<compress::Codec> codec_of(const std::string& name) {
  constexpr std::pair<const char*, compress::Codec> kCodecs[] = {
      {"zstd", compress::Codec::zstd}, {"lz4", compress::Codec::lz4}, {"gzip", compress::Codec::gzip}};
  for (const auto& [known, codec] : kCodecs) {
    if (name == known) return codec;
  }
  return std::nullopt;
}

bool read_cuts(const Napi::Value& value, std::vector<uint64_t>* cuts) {
  if (!value.IsArray()) return false;
  const auto array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  for (uint32_t i = 0; i < length; ++i) {
    const auto cut = to_unsigned(array.Get(i), "cuts: ascending offsets");
    if (!cut) return false;
    cuts->push_back(*cut);
  }
  return true;
}

// packStream({ from, to, form: 'file' | 'stream', codec, level, threads, cuts }) -> Job<{ bytes, bytesUser }>: consumes `to`
Napi::Value pack_stream(const Napi::CallbackInfo& info) {
  PackRequest request;
  const auto form = to_string(property(info[0], "form"), "form: file or stream");
  const auto codec = to_string(property(info[0], "codec"), "codec: zstd, lz4 or gzip");
  const auto threads = to_int(property(info[0], "threads"), "threads: a number");
  const Napi::Value level = property(info[0], "level");
  if (!form || !codec || !threads || !level.IsNumber()) return {};
  const auto known = codec_of(*codec);
  if (!known || *threads < 1) return throw_misuse(info.Env(), "codec: zstd, lz4 or gzip; threads: 1 or more");
  request.compression = {*known, level.As<Napi::Number>().Int32Value(), static_cast<unsigned>(*threads)};
  request.form = *form == "file" ? archive::OutputForm::file : archive::OutputForm::stream;
  if (!read_cuts(property(info[0], "cuts"), &request.cuts)) return {};
  auto from = Fd::duplicate(property(info[0], "from"));
  if (!from) return {};
  request.from = std::move(*from);
  auto to = Fd::consume(property(info[0], "to"));
  if (!to) return {};
  request.to = std::move(*to);
  return Job::start(info.Env(), "frazil-pack", std::make_unique<PackJob>(std::move(request)), info.Env().Undefined());
}

}  // namespace

void define_packing(Napi::Env env, Napi::Object exports) {
  exports.Set("writeBytes", Napi::Function::New<write_bytes>(env, "writeBytes"));
  exports.Set("packStream", Napi::Function::New<pack_stream>(env, "packStream"));
}

}  // namespace frazil
