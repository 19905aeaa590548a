#pragma once

#include <napi.h>

#include <memory>

namespace frazil {

// Everything that outlives a call, once per environment (main thread or worker). There are no other globals.
struct Instance {
  Napi::FunctionReference fd_class;
  // What is finalized from then on was not forgotten, it was still in use. Shared: finalizers may outlive this.
  std::shared_ptr<bool> ending = std::make_shared<bool>(false);
};

inline Instance& instance_of(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

}  // namespace frazil
