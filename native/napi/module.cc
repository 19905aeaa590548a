// The entry of the addon. Node calls it once per environment: the main thread and every worker that loads it.

#include <napi.h>

#include "napi/bindings.h"
#include "napi/fd.h"
#include "napi/instance.h"

namespace frazil {
namespace {

Napi::Object define_module(Napi::Env env, Napi::Object exports) {
  // Owned by the environment, which deletes it at its end.
  env.SetInstanceData(std::make_unique<Instance>().release());
  env.AddCleanupHook([ending = instance_of(env).ending] { *ending = true; });
  Fd::define(env, exports);
  define_sockets(env, exports);
  define_listener(env, exports);
  define_files(env, exports);
  define_children(env, exports);
  define_exec(env, exports);
  define_tcp_repair(env, exports);
  define_libcriu(env, exports);
  define_pages(env, exports);
  define_transfer(env, exports);
  define_tunnel(env, exports);
  define_feeder(env, exports);
  define_verify(env, exports);
  define_chain(env, exports);
  define_memory(env, exports);
  define_overlay(env, exports);
  define_chain_stage(env, exports);
  define_beneath(env, exports);
  define_streams(env, exports);
  define_archive(env, exports);
  define_archive_reader(env, exports);
  define_members(env, exports);
  define_packing(env, exports);
#ifdef FRAZIL_TESTS
  define_tests(env, exports);
#endif
  return exports;
}

}  // namespace
}  // namespace frazil

NAPI_MODULE_INIT() { return Napi::RegisterModule(env, exports, frazil::define_module); }
