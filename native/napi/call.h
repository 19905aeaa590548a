#pragma once

// An environment that is being terminated refuses most calls, from one moment to the next and in the middle of our code:
// values come back empty. Setting properties on an empty object is harmless (node-addon-api checks), but memory of an
// empty typed array is a null pointer, and env.Undefined() of an empty value's environment is fatal. These functions
// are safe in that case; code that fills memory itself must look first.

#include <napi.h>

#include <cstddef>
#include <span>

#include "core/result.h"

namespace frazil {

// The only way from C++ into a JavaScript function. Raw, its status ignored: while a worker is being terminated every
// call fails, and Napi::Function::Call would turn that into a fatal error (house-style.md 2.7 has the measurement). An
// exception of the callback itself stays pending and becomes an 'uncaughtException', as it should.
void call_js(napi_env env, napi_value function) noexcept;

// The plain `{ errno, syscall }` that TypeScript turns into a CheckpointError.
Napi::Value failure(Napi::Env env, SysError error);

// A new Uint8Array with a copy of `bytes`: external memory is not allowed in every build of Node.
Napi::Value new_bytes(Napi::Env env, std::span<const std::byte> bytes);

// Throws that failure. Returns nothing, which JavaScript sees as undefined, for `return throw_failure(...)`.
Napi::Value throw_failure(Napi::Env env, SysError error);

// Misuse of the private interface: TypeScript has validated already, so this is a bug of ours.
Napi::Value throw_misuse(Napi::Env env, const char* message);

}  // namespace frazil
