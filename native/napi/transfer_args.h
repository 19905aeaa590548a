#pragma once

// What the constructors of the page streams take: each nothing, and a pending exception, for what is wrong.

#include <napi.h>

#include <optional>
#include <utility>
#include <vector>

#include "core/unique_fd.h"
#include "transfer/delta_stage.h"
#include "transfer/packing.h"
#include "transfer/stream.h"

namespace frazil {

constexpr std::pair<const char*, compress::Codec> kPackings[] = {{"lz4", compress::Codec::lz4},
                                                                 {"zstd", compress::Codec::zstd}};

// { streams: Fd[] } as duplicates; JavaScript closes its own.
std::optional<std::vector<UniqueFd>> to_sockets(const Napi::Value& value);
// { keys?: Uint8Array[] }
std::optional<std::vector<transfer::StreamKey>> to_keys(const Napi::Value& value);
// An optional Fd as a duplicate.
std::optional<UniqueFd> to_optional_fd(const Napi::Value& value);
// { packing?: { codec, level, always } }: an optional of an optional.
std::optional<std::optional<transfer::Packing>> to_packing(const Napi::Value& value);
// { delta?: { cacheBytes, always } }: the same.
std::optional<std::optional<transfer::DeltaOptions>> to_delta(const Napi::Value& value);

}  // namespace frazil
