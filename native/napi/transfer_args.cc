#include "napi/transfer_args.h"

#include "napi/args.h"
#include "napi/call.h"
#include "napi/fd.h"

namespace frazil {

// { streams: Fd[] } as duplicates; JavaScript closes its own.
std::optional<std::vector<UniqueFd>> to_sockets(const Napi::Value& value) {
  std::vector<UniqueFd> sockets;
  if (!value.IsArray()) return sockets;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    auto socket = Fd::duplicate(array.Get(i));
    if (!socket) return std::nullopt;
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

// { keys?: Uint8Array[] }
std::optional<std::vector<transfer::StreamKey>> to_keys(const Napi::Value& value) {
  std::vector<transfer::StreamKey> keys;
  if (!value.IsArray()) return keys;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto bytes = to_bytes(array.Get(i), "keys: 32 bytes each");
    if (!bytes) return std::nullopt;
    if (bytes->size() != crypto::kKeyBytes) {
      (void)throw_misuse(value.Env(), "keys: 32 bytes each");
      return std::nullopt;
    }
    std::copy(bytes->begin(), bytes->end(), keys.emplace_back().begin());
  }
  return keys;
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

}  // namespace frazil
