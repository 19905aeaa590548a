#include "napi/args.h"

#include <cmath>

#include "napi/call.h"

namespace frazil {
namespace {

// Beyond it a double skips integers, and a size would silently be another one.
constexpr double kMaxExact = 9007199254740991.0;  // Number.MAX_SAFE_INTEGER
// Of an int, which pids, signals and fds are.
constexpr uint64_t kMaxInt = 0x7fffffff;

}  // namespace

std::optional<uint64_t> to_unsigned(const Napi::Value& value, const char* wanted) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number >= 0 && number <= kMaxExact && std::trunc(number) == number) return static_cast<uint64_t>(number);
  }
  throw_misuse(value.Env(), wanted);
  return std::nullopt;
}

std::optional<int> to_int(const Napi::Value& value, const char* wanted) {
  const auto number = to_unsigned(value, wanted);
  if (!number) return std::nullopt;
  if (*number <= kMaxInt) return static_cast<int>(*number);
  throw_misuse(value.Env(), wanted);
  return std::nullopt;
}

std::optional<bool> to_boolean(const Napi::Value& value, const char* wanted) {
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  throw_misuse(value.Env(), wanted);
  return std::nullopt;
}

std::optional<std::string> to_string(const Napi::Value& value, const char* wanted) {
  if (value.IsString()) {
    std::string text = value.As<Napi::String>().Utf8Value();
    // The kernel's strings end at the first zero byte: "a\0b" would silently become "a".
    if (text.find('\0') == std::string::npos) return text;
  }
  throw_misuse(value.Env(), wanted);
  return std::nullopt;
}

std::optional<std::vector<std::string>> to_strings(const Napi::Value& value, const char* wanted) {
  return to_vector<std::string>(value, wanted, to_string);
}

std::optional<std::vector<int>> to_ints(const Napi::Value& value, const char* wanted) {
  return to_vector<int>(value, wanted, to_int);
}

std::optional<std::span<const std::byte>> to_bytes(const Napi::Value& value, const char* wanted) {
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    const auto bytes = value.As<Napi::Uint8Array>();
    return std::span(reinterpret_cast<const std::byte*>(bytes.Data()), bytes.ByteLength());
  }
  throw_misuse(value.Env(), wanted);
  return std::nullopt;
}

Napi::Value property(const Napi::Value& object, const char* name) {
  if (!object.IsObject()) return {};
  Napi::Value value = object.As<Napi::Object>().Get(name);
  if (value.IsNull()) return {};
  return value;
}

std::optional<uint64_t> to_unsigned_or(const Napi::Value& value, uint64_t otherwise, const char* wanted) {
  if (value.IsUndefined()) return otherwise;
  return to_unsigned(value, wanted);
}

}  // namespace frazil
