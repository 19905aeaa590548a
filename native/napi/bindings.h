#pragma once

#include <napi.h>

// One function per file of native/napi that adds its calls to the module; module.cc calls them all.

namespace frazil {

void define_archive(Napi::Env env, Napi::Object exports);
void define_chain_stage(Napi::Env env, Napi::Object exports);
void define_archive_reader(Napi::Env env, Napi::Object exports);
void define_sockets(Napi::Env env, Napi::Object exports);
void define_listener(Napi::Env env, Napi::Object exports);
void define_files(Napi::Env env, Napi::Object exports);
void define_children(Napi::Env env, Napi::Object exports);
void define_exec(Napi::Env env, Napi::Object exports);
void define_tcp_repair(Napi::Env env, Napi::Object exports);
void define_libcriu(Napi::Env env, Napi::Object exports);
void define_pages(Napi::Env env, Napi::Object exports);
void define_transfer(Napi::Env env, Napi::Object exports);
void define_tunnel(Napi::Env env, Napi::Object exports);
void define_feeder(Napi::Env env, Napi::Object exports);
void define_verify(Napi::Env env, Napi::Object exports);
void define_chain(Napi::Env env, Napi::Object exports);
void define_memory(Napi::Env env, Napi::Object exports);
void define_overlay(Napi::Env env, Napi::Object exports);
void define_beneath(Napi::Env env, Napi::Object exports);
void define_streams(Napi::Env env, Napi::Object exports);
void define_members(Napi::Env env, Napi::Object exports);
void define_packing(Napi::Env env, Napi::Object exports);
// Only with FRAZIL_TESTS: native/test/count_job.cc.
void define_tests(Napi::Env env, Napi::Object exports);

}  // namespace frazil
