#pragma once

// An environment that is being terminated refuses most calls, from one moment to the next and in the middle of our
// code: getters, calls and the making of functions, typed arrays and handles give empty values. To pass an empty
// value on is harmless. To call a method on one is fatal (node-addon-api then asks a null environment for its last
// error), and the memory of an empty typed array is a null pointer. So: no chains of `.Get().Get()`, test for
// IsObject() and the like first (an empty value is none of them), return `{}` rather than `value.Env().Undefined()`.
// These functions and those of args.h keep to that. test/integration/addon/worker-teardown.test.ts finds who does
// not.

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
