#include "napi/call.h"

#include <cstring>

namespace frazil {

void call_js(napi_env env, napi_value function) noexcept {
  napi_value self = nullptr;
  if (napi_get_undefined(env, &self) != napi_ok) return;
  (void)napi_call_function(env, self, function, 0, nullptr, nullptr);
}

Napi::Value failure(Napi::Env env, SysError error) {
  Napi::Object plain = Napi::Object::New(env);
  plain.Set("errno", Napi::Number::New(env, error.number));
  plain.Set("syscall", Napi::String::New(env, error.op));
  return plain;
}

Napi::Value new_bytes(Napi::Env env, std::span<const std::byte> bytes) {
  auto array = Napi::Uint8Array::New(env, bytes.size());
  // Empty while the environment ends; bytes.data() may be null when there are none, and memcpy() must not see either.
  if (array.IsEmpty() || bytes.empty()) return array;
  std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

Napi::Value throw_failure(Napi::Env env, SysError error) {
  (void)napi_throw(env, failure(env, error));
  return {};
}

Napi::Value throw_misuse(Napi::Env env, const char* message) {
  (void)napi_throw_type_error(env, nullptr, message);
  return {};
}

}  // namespace frazil
