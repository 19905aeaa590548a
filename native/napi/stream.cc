// Bytes between fds: copies, decompression, age. What they are for TypeScript knows.

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include "crypto/sha256.h"
#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/job.h"
#include "stream/copy.h"
#include "stream/ends.h"
#include "stream/filter.h"

namespace frazil {
namespace {

using stream::Counters;

Job::Snapshot snapshot_of(const std::shared_ptr<Counters>& counters) {
  return [counters](Napi::Env env) -> Napi::Value {
    Napi::Object view = Napi::Object::New(env);
    view.Set("bytes", static_cast<double>(counters->bytes.load(std::memory_order_relaxed)));
    view.Set("bytesUser", static_cast<double>(counters->bytes_user.load(std::memory_order_relaxed)));
    return view;
  };
}

class Sha256Observer final : public stream::Observer {
 public:
  explicit Sha256Observer(crypto::Sha256 digest) noexcept : digest_(std::move(digest)) {}
  Result<void> see(const void* bytes, size_t count) noexcept override {
    return digest_.update({static_cast<const std::byte*>(bytes), count});
  }
  Result<crypto::Sha256Digest> finish() noexcept { return digest_.finish(); }

 private:
  crypto::Sha256 digest_;
};

struct CopyRequest {
  UniqueFd from;
  UniqueFd to;
  int64_t from_offset = -1;
  uint64_t bytes = stream::kToTheEnd;
  bool sha256 = false;
  bool holes = false;
};

class CopyJob final : public Job {
 public:
  explicit CopyJob(CopyRequest request) noexcept : request_(std::move(request)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const CopyRequest request = std::move(request_);
    const stream::Route route{request.from.get(), request.from_offset, request.to.get(), request.holes};
    if (!request.sha256) {
      copied_ = stream::copy(route, request.bytes, nullptr, cancel, *counters_);
      return;
    }
    auto digest = crypto::Sha256::open();
    if (!digest.ok()) {
      copied_ = digest.error();
      return;
    }
    Sha256Observer observer(std::move(digest).value());
    copied_ = stream::copy(route, request.bytes, &observer, cancel, *counters_);
    if (copied_.ok()) digest_ = observer.finish();
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (!copied_.ok()) return copied_.error();
    Napi::Object view = Napi::Object::New(env);
    view.Set("bytes", static_cast<double>(copied_.value()));
    if (!digest_) return view;
    if (!digest_->ok()) return digest_->error();
    view.Set("sha256", new_bytes(env, digest_->value()));
    return view;
  }

  Snapshot snapshot() const override { return snapshot_of(counters_); }

  CopyRequest request_;
  std::shared_ptr<Counters> counters_ = std::make_shared<Counters>();
  Result<uint64_t> copied_ = uint64_t{0};
  std::optional<Result<crypto::Sha256Digest>> digest_;
};

bool flag(const Napi::Value& options, const char* name) {
  const Napi::Value value = property(options, name);
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

// copyBytes({ from, to?, fromOffset?, bytes?, sha256?, holes? }) -> Job<{ bytes, sha256? }>
Napi::Value copy_bytes(const Napi::CallbackInfo& info) {
  CopyRequest request;
  auto from = Fd::duplicate(property(info[0], "from"));
  if (!from) return {};
  request.from = std::move(*from);
  if (const Napi::Value to = property(info[0], "to"); !to.IsEmpty() && !to.IsUndefined()) {
    auto taken = Fd::duplicate(to);
    if (!taken) return {};
    request.to = std::move(*taken);
  }
  if (const Napi::Value offset = property(info[0], "fromOffset"); !offset.IsEmpty() && !offset.IsUndefined()) {
    const auto at = to_unsigned(offset, "fromOffset: a number of bytes");
    if (!at) return {};
    request.from_offset = static_cast<int64_t>(*at);
  }
  const auto bytes = to_unsigned_or(property(info[0], "bytes"), stream::kToTheEnd, "bytes: a number of bytes");
  if (!bytes) return {};
  request.bytes = *bytes;
  request.sha256 = flag(info[0], "sha256");
  request.holes = flag(info[0], "holes");
  return Job::start(info.Env(), "frazil-copy", std::make_unique<CopyJob>(std::move(request)), info.Env().Undefined());
}

// The most that a caller may ask for at once: what is longer is no header and no small file.
constexpr uint64_t kMostRead = uint64_t{64} << 20;

class ReadJob final : public Job {
 public:
  ReadJob(UniqueFd from, size_t bytes) noexcept : from_(std::move(from)), bytes_(bytes) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd from = std::move(from_);
    read_.resize(bytes_);
    const stream::Ends ends{from.get(), -1, {}};
    for (size_t at = 0; at < bytes_;) {
      int64_t own_position = -1;
      auto got = stream::read_some(ends.from, &own_position, read_.data() + at, bytes_ - at, cancel);
      if (!got.ok()) {
        failure_ = got.error();
        return;
      }
      if (got.value() == 0) {
        read_.resize(at);
        return;
      }
      at += got.value();
    }
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (failure_) return *failure_;
    return Napi::Value(new_bytes(env, read_));
  }

  UniqueFd from_;
  size_t bytes_;
  std::vector<std::byte> read_;
  std::optional<SysError> failure_;
};

// readBytes(from: Fd, bytes) -> Job<Uint8Array>, shorter only at the end
Napi::Value read_bytes(const Napi::CallbackInfo& info) {
  auto from = Fd::duplicate(info[0]);
  if (!from) return {};
  const auto bytes = to_unsigned(info[1], "bytes: a number of bytes");
  if (!bytes) return {};
  if (*bytes > kMostRead) return throw_misuse(info.Env(), "bytes: at most 64 MiB");
  return Job::start(info.Env(), "frazil-read", std::make_unique<ReadJob>(std::move(*from), *bytes),
                    info.Env().Undefined());
}

class FilterJob final : public Job {
 public:
  using Filter = Result<void> (*)(std::span<const std::byte> key, const stream::Ends&, const Cancel&, Counters&) noexcept;

  FilterJob(Filter filter, UniqueFd from, UniqueFd to) noexcept
      : filter_(filter), from_(std::move(from)), to_(std::move(to)) {}
  void set_prefix(std::span<const std::byte> bytes) { prefix_.assign(bytes.begin(), bytes.end()); }
  void set_key(std::span<const std::byte> bytes) { key_.assign(bytes.begin(), bytes.end()); }

 private:
  // The fds close before the promise settles: whoever reads `to` then finds its end.
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd from = std::move(from_);
    const UniqueFd to = std::move(to_);
    outcome_ = filter_(key_, {from.get(), to.get(), prefix_}, cancel, *counters_);
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (!outcome_.ok()) return outcome_.error();
    return snapshot_of(counters_)(env);
  }

  Snapshot snapshot() const override { return snapshot_of(counters_); }

  Filter filter_;
  UniqueFd from_;
  UniqueFd to_;
  std::vector<std::byte> prefix_;
  std::vector<std::byte> key_;
  std::shared_ptr<Counters> counters_ = std::make_shared<Counters>();
  Result<void> outcome_;
};

template <compress::Codec codec>
Result<void> decompress(std::span<const std::byte>, const stream::Ends& ends, const Cancel& cancel,
                        Counters& counters) noexcept {
  return stream::decompress(codec, ends, cancel, counters);
}

template <auto filter>
Result<void> with_key(std::span<const std::byte> key, const stream::Ends& ends, const Cancel& cancel,
                      Counters& counters) noexcept {
  if (key.size() != stream::kAgeKeyBytes) return SysError{EINVAL, "EVP_CipherInit"};
  return filter(key.first<stream::kAgeKeyBytes>(), ends, cancel, counters);
}

FilterJob::Filter filter_of(const std::string& kind) {
  constexpr std::pair<const char*, FilterJob::Filter> kFilters[] = {
      {"un-zstd", decompress<compress::Codec::zstd>}, {"un-lz4", decompress<compress::Codec::lz4>},
      {"un-gzip", decompress<compress::Codec::gzip>}, {"age", with_key<stream::seal_age>},
      {"un-age", with_key<stream::unseal_age>},
  };
  for (const auto& [name, filter] : kFilters) {
    if (kind == name) return filter;
  }
  return nullptr;
}

// filterStream({ kind, from, to, prefix?, key? }) -> Job<{ bytes, bytesUser }>: consumes `to`
Napi::Value filter_stream(const Napi::CallbackInfo& info) {
  const auto kind = to_string(property(info[0], "kind"), "kind: a string");
  if (!kind) return {};
  const FilterJob::Filter filter = filter_of(*kind);
  if (filter == nullptr) return throw_misuse(info.Env(), "kind: un-zstd, un-lz4, un-gzip, age or un-age");
  auto from = Fd::duplicate(property(info[0], "from"));
  if (!from) return {};
  auto to = Fd::consume(property(info[0], "to"));
  if (!to) return {};
  auto job = std::make_unique<FilterJob>(filter, std::move(*from), std::move(*to));
  if (const Napi::Value prefix = property(info[0], "prefix"); prefix.IsTypedArray()) {
    const auto bytes = to_bytes(prefix, "prefix: a Uint8Array");
    if (!bytes) return {};
    job->set_prefix(*bytes);
  }
  if (const Napi::Value key = property(info[0], "key"); key.IsTypedArray()) {
    const auto bytes = to_bytes(key, "key: a Uint8Array");
    if (!bytes) return {};
    job->set_key(*bytes);
  }
  return Job::start(info.Env(), "frazil-filter", std::move(job), info.Env().Undefined());
}

}  // namespace

void define_streams(Napi::Env env, Napi::Object exports) {
  exports.Set("copyBytes", Napi::Function::New<copy_bytes>(env, "copyBytes"));
  exports.Set("readBytes", Napi::Function::New<read_bytes>(env, "readBytes"));
  exports.Set("filterStream", Napi::Function::New<filter_stream>(env, "filterStream"));
}

}  // namespace frazil
