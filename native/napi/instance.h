#pragma once

#include <napi.h>

namespace frazil {

// Everything that outlives a call, once per environment (main thread or worker). There are no other globals.
struct Instance {
  Napi::FunctionReference fd_class;
};

inline Instance& instance_of(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

}  // namespace frazil
