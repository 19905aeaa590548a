#include "napi/failure_view.h"

namespace frazil {
namespace {

const char* to_name(page::Fault fault) {
  constexpr const char* kNames[] = {
      "system",        "cancelled", "hung-up",    "bad-header",          "unknown-command",
      "unknown-image", "no-image",  "not-sorted", "hole-without-parent", "hole-not-in-parent",
      "bad-parent"};
  return kNames[static_cast<size_t>(fault)];
}

}  // namespace

Napi::Value failure_view(Napi::Env env, const page::Failure& failure) {
  Napi::Object view = Napi::Object::New(env);
  view.Set("fault", to_name(failure.fault));
  view.Set("errno", failure.error.number);
  view.Set("syscall", failure.error.op);
  view.Set("image", failure.image.kind == page::ImageId::Kind::task ? "task" : "shmem");
  view.Set("id", static_cast<double>(failure.image.id));
  view.Set("vaddr", Napi::BigInt::New(env, failure.vaddr));
  view.Set("pages", static_cast<double>(failure.pages));
  return view;
}

}  // namespace frazil
