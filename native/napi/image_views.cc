#include "napi/image_views.h"

#include <cerrno>

namespace frazil {

Napi::Value to_view(Napi::Env env, const page::ImageFault& fault) {
  constexpr const char* kNames[] = {"system",     "not-a-pagemap", "truncated",   "malformed",    "newer",
                                    "not-sorted", "pages-missing", "pages-short", "hole-unfilled"};
  Napi::Object view = Napi::Object::New(env);
  view.Set("flaw", kNames[static_cast<size_t>(fault.flaw)]);
  view.Set("errno", fault.error.number);
  view.Set("syscall", fault.error.op);
  view.Set("level", fault.level);
  view.Set("name", fault.name);
  view.Set("offset", static_cast<double>(fault.offset));
  view.Set("vaddr", Napi::BigInt::New(env, fault.vaddr));
  view.Set("pages", static_cast<double>(fault.pages));
  view.Set("wanted", static_cast<double>(fault.wanted));
  view.Set("found", static_cast<double>(fault.found));
  return view;
}

bool is_cancelled(const page::ImageFault& fault) noexcept {
  return fault.flaw == page::Flaw::system && fault.error.number == ECANCELED;
}

Result<Napi::Object> view_of(Napi::Env env, const std::optional<page::ImageFault>& fault) {
  if (fault && is_cancelled(*fault)) return fault->error;
  Napi::Object view = Napi::Object::New(env);
  if (fault) view.Set("fault", to_view(env, *fault));
  return view;
}

}  // namespace frazil
