#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "napi/call.h"

namespace frazil {

// Reading what TypeScript passed. Each throws TypeError naming what was wanted and returns nothing when the value has
// another type; the caller returns at once. `wanted` is a literal such as "pid: a number".

// An integer in [0, 2^53), exact.
std::optional<uint64_t> to_unsigned(const Napi::Value& value, const char* wanted);
// The same in [0, 2^31): pids, signals, fds. Never for bytes.
std::optional<int> to_int(const Napi::Value& value, const char* wanted);
std::optional<bool> to_boolean(const Napi::Value& value, const char* wanted);
std::optional<std::string> to_string(const Napi::Value& value, const char* wanted);
// An array, each element of which `convert(element, wanted)` reads: an optional, empty after it has thrown.
template <typename T, typename Convert>
std::optional<std::vector<T>> to_vector(const Napi::Value& value, const char* wanted, Convert convert) {
  if (!value.IsArray()) {
    throw_misuse(value.Env(), wanted);
    return std::nullopt;
  }
  const auto array = value.As<Napi::Array>();
  std::vector<T> elements;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    auto element = convert(array.Get(i), wanted);
    if (!element) return std::nullopt;
    elements.push_back(std::move(*element));
  }
  return elements;
}
std::optional<std::vector<std::string>> to_strings(const Napi::Value& value, const char* wanted);
std::optional<std::vector<int>> to_ints(const Napi::Value& value, const char* wanted);
// Borrowed: valid until JavaScript runs again.
std::optional<std::span<const std::byte>> to_bytes(const Napi::Value& value, const char* wanted);

// The property of an object that may lack it. undefined, null and "no object at all" all read as undefined: empty
// values do, in node-addon-api.
Napi::Value property(const Napi::Value& object, const char* name);
// `undefined` gives the default.
std::optional<uint64_t> to_unsigned_or(const Napi::Value& value, uint64_t otherwise, const char* wanted);

}  // namespace frazil
