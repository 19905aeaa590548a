#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <string>

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// An fd in JavaScript's hands: `number` borrows, `take()` moves ownership to the caller, `close()` may be called twice.
// The finalizer closes what was forgotten; a debug build says on stderr where that one was made.
//
// A job must not borrow: JavaScript may close the handle while it runs, and the number may then be somebody else's. It
// either consumes the handle or works on a duplicate.
class Fd : public Napi::ObjectWrap<Fd> {
 public:
  static void define(Napi::Env env, Napi::Object exports);

  // A new handle that owns `fd`.
  static Napi::Value wrap(Napi::Env env, UniqueFd fd);

  // These three throw TypeError (and return nothing) when `value` is not an Fd or is spent.
  // The number, valid until JavaScript runs again. A plain number is accepted where `allow_number` is given: stdio.
  static std::optional<int> borrow(const Napi::Value& value);
  // Ownership moves here, the handle is spent.
  static std::optional<UniqueFd> consume(const Napi::Value& value);
  // A CLOEXEC duplicate that is ours alone, for a job. A failing fcntl() is thrown as a failure.
  static std::optional<UniqueFd> duplicate(const Napi::Value& value);

  explicit Fd(const Napi::CallbackInfo& info);
  ~Fd() override;

 private:
  // Not spent, or nothing and a TypeError.
  static Fd* from(const Napi::Value& value);
  static Napi::Value adopt_number(const Napi::CallbackInfo& info);
  static Napi::Value duplicate_number(const Napi::CallbackInfo& info);
  static Napi::Value is_fd(const Napi::CallbackInfo& info);

  Napi::Value number(const Napi::CallbackInfo& info);
  Napi::Value closed(const Napi::CallbackInfo& info);
  Napi::Value take(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  UniqueFd fd_;
#ifdef FRAZIL_DEBUG
  std::string made_at_;
  std::shared_ptr<bool> ending_;
#endif
};

}  // namespace frazil
