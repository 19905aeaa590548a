#pragma once

#include <napi.h>

#include "core/result.h"

namespace frazil {

// The only way from C++ into a JavaScript function. Raw, its status ignored: while a worker is being terminated every
// call fails, and Napi::Function::Call would turn that into a fatal error (house-style.md 2.7 has the measurement). An
// exception of the callback itself stays pending and becomes an 'uncaughtException', as it should.
void call_js(napi_env env, napi_value function) noexcept;

// The plain `{ errno, syscall }` that TypeScript turns into a CheckpointError.
Napi::Value failure(Napi::Env env, SysError error);

// Throws that failure; returns undefined for `return throw_failure(...)`.
Napi::Value throw_failure(Napi::Env env, SysError error);

// Misuse of the private interface: TypeScript has validated already, so this is a bug of ours.
Napi::Value throw_misuse(Napi::Env env, const char* message);

}  // namespace frazil
