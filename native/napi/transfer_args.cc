#include "napi/transfer_args.h"

#include "napi/args.h"
#include "napi/call.h"
#include "napi/fd.h"

namespace frazil {

namespace {

std::optional<transfer::StreamKey> to_key(const Napi::Value& value, const char* wanted) {
  const auto bytes = to_bytes(value, wanted);
  if (!bytes) return std::nullopt;
  if (bytes->size() != crypto::kKeyBytes) {
    throw_misuse(value.Env(), wanted);
    return std::nullopt;
  }
  transfer::StreamKey key{};
  std::copy(bytes->begin(), bytes->end(), key.begin());
  return key;
}

}  // namespace

// { streams?: Fd[] } as duplicates; JavaScript closes its own.
std::optional<std::vector<UniqueFd>> to_sockets(const Napi::Value& value) {
  if (value.IsUndefined()) return std::vector<UniqueFd>();
  return to_vector<UniqueFd>(value, "streams: an array of Fd",
                             [](const Napi::Value& element, const char*) { return Fd::duplicate(element); });
}

// { keys?: Uint8Array[] }
std::optional<std::vector<transfer::StreamKey>> to_keys(const Napi::Value& value) {
  if (value.IsUndefined()) return std::vector<transfer::StreamKey>();
  return to_vector<transfer::StreamKey>(value, "keys: 32 bytes each", to_key);
}

// An optional Fd as a duplicate: nothing and an exception when it is spent.
std::optional<UniqueFd> to_optional_fd(const Napi::Value& value) {
  if (value.IsUndefined() || value.IsNull()) return UniqueFd();
  return Fd::duplicate(value);
}

std::optional<std::optional<transfer::Packing>> to_packing(const Napi::Value& value) {
  using Wanted = std::optional<transfer::Packing>;
  if (value.IsUndefined() || value.IsNull()) return Wanted();
  const auto name = to_string(property(value, "codec"), "codec: 'lz4' or 'zstd'");
  if (!name) return std::nullopt;
  const auto level = to_int(property(value, "level"), "level: a number");
  if (!level) return std::nullopt;
  const auto always = to_boolean(property(value, "always"), "always: a boolean");
  if (!always) return std::nullopt;
  for (const auto& [known, codec] : kPackings) {
    if (*name == known) return Wanted(transfer::Packing{codec, *level, *always});
  }
  (void)throw_misuse(value.Env(), "codec: 'lz4' or 'zstd'");
  return std::nullopt;
}

std::optional<std::optional<transfer::DeltaOptions>> to_delta(const Napi::Value& value) {
  using Wanted = std::optional<transfer::DeltaOptions>;
  if (value.IsUndefined() || value.IsNull()) return Wanted();
  const auto bytes = to_unsigned(property(value, "cacheBytes"), "cacheBytes: a size in bytes");
  if (!bytes) return std::nullopt;
  const auto always = to_boolean(property(value, "always"), "always: a boolean");
  if (!always) return std::nullopt;
  return Wanted(transfer::DeltaOptions{*bytes, *always});
}

}  // namespace frazil
