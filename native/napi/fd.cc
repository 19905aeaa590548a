// Three guards lie between JavaScript and a wrong number: the type tag (the object is one of ours), the UniqueFd
// inside (it is not spent), and fcntl(F_GETFD) on what is adopted (the number is open). docs/adr/0001-fd-handles.md
// has the reasons.

#include "napi/fd.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>

#include "napi/args.h"
#include "napi/call.h"
#include "napi/instance.h"

namespace frazil {
namespace {

// Says that an object is ours before its pointer is trusted: JavaScript can call our methods on anything.
constexpr napi_type_tag kFdTag = {0x6672617a696c4664, 0x9b1d3c0e5a7f4821};

constexpr const char* kNotFd = "not an Fd";
constexpr const char* kSpent = "this Fd is spent: it was closed, taken or consumed";

Result<UniqueFd> duplicate_of(int fd) noexcept {
  // From 3 on: a duplicate never becomes stdio, even when the process runs with 0..2 closed.
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return SysError{errno, "fcntl"};
  return copy;
}

std::optional<int> checked_number(const Napi::Value& value) {
  if (!value.IsNumber()) return std::nullopt;
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= 0x7fffffff) || number != static_cast<int>(number)) return std::nullopt;
  return static_cast<int>(number);
}

#ifdef FRAZIL_DEBUG
std::string creation_site(Napi::Env env) {
  napi_value error = nullptr;
  (void)napi_create_error(env, nullptr, Napi::String::New(env, "made"), &error);
  const Napi::Value stack = property(Napi::Value(env, error), "stack");
  return stack.IsString() ? stack.As<Napi::String>().Utf8Value() : "made while its environment ended";
}
#endif

}  // namespace

void Fd::define(Napi::Env env, Napi::Object exports) {
  // Not Napi::Symbol::WellKnown(), which is fatal when the environment is ending.
  const Napi::Value dispose = property(property(env.Global(), "Symbol"), "dispose");
  if (!dispose.IsSymbol()) return;
  Napi::Function constructor =
      DefineClass(env, "Fd",
                  {InstanceAccessor<&Fd::number>("number"), InstanceAccessor<&Fd::closed>("closed"),
                   InstanceMethod<&Fd::take>("take"), InstanceMethod<&Fd::close>("close"),
                   InstanceMethod<&Fd::close>(dispose.As<Napi::Symbol>()), StaticMethod<&Fd::adopt_number>("adopt"),
                   StaticMethod<&Fd::duplicate_number>("duplicate"), StaticMethod<&Fd::is_fd>("is")});
  instance_of(env).fd_class = Napi::Persistent(constructor);
  exports.Set("Fd", constructor);
}

Fd::Fd(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Fd>(info) {
  // Only wrap() passes an External: `new Fd()` from JavaScript makes nothing.
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw_misuse(info.Env(), "an Fd cannot be constructed, only adopted or duplicated");
    return;
  }
  // The environment is ending and nothing points to this object, so nothing would ever close what it took.
  if (IsEmpty()) return;
  (void)napi_type_tag_object(info.Env(), info.This(), &kFdTag);
  fd_ = std::move(*info[0].As<Napi::External<UniqueFd>>().Data());
#ifdef FRAZIL_DEBUG
  made_at_ = creation_site(info.Env());
  ending_ = instance_of(info.Env()).ending;
#endif
}

Fd::~Fd() {
#ifdef FRAZIL_DEBUG
  // No JavaScript in a finalizer, so not process.emitWarning.
  if (!fd_ || *ending_) return;
  std::fprintf(stderr, "frazil: fd %d was never closed. It was %s\n", fd_.get(), made_at_.c_str());
#endif
}

Napi::Value Fd::wrap(Napi::Env env, UniqueFd fd) {
  // Borrowed by the constructor during this call only; what it does not take is closed here.
  return instance_of(env).fd_class.New({Napi::External<UniqueFd>::New(env, &fd)});
}

Fd* Fd::from(const Napi::Value& value) {
  bool ours = false;
  if (value.IsObject() && napi_check_object_type_tag(value.Env(), value, &kFdTag, &ours) == napi_ok && ours) {
    Fd* self = Unwrap(value.As<Napi::Object>());
    if (self == nullptr || self->fd_) return self;  // none: the environment is ending
    throw_misuse(value.Env(), kSpent);
    return nullptr;
  }
  throw_misuse(value.Env(), kNotFd);
  return nullptr;
}

std::optional<int> Fd::borrow(const Napi::Value& value) {
  const Fd* self = from(value);
  if (self == nullptr) return std::nullopt;
  return self->fd_.get();
}

std::optional<UniqueFd> Fd::consume(const Napi::Value& value) {
  Fd* self = from(value);
  if (self == nullptr) return std::nullopt;
  return std::move(self->fd_);
}

std::optional<UniqueFd> Fd::duplicate(const Napi::Value& value) {
  const auto fd = borrow(value);
  if (!fd) return std::nullopt;
  auto copy = duplicate_of(*fd);
  if (copy.ok()) return std::move(copy).value();
  throw_failure(value.Env(), copy.error());
  return std::nullopt;
}

Napi::Value Fd::adopt_number(const Napi::CallbackInfo& info) {
  const auto fd = checked_number(info[0]);
  if (!fd) return throw_misuse(info.Env(), "adopt() takes the number of an open fd");
  // A number that is not open would be closed later, when it may belong to somebody else.
  if (::fcntl(*fd, F_GETFD) == -1) return throw_failure(info.Env(), SysError{errno, "fcntl"});
  return wrap(info.Env(), UniqueFd(*fd));
}

Napi::Value Fd::duplicate_number(const Napi::CallbackInfo& info) {
  const auto fd = checked_number(info[0]);
  if (!fd) return throw_misuse(info.Env(), "duplicate() takes the number of an open fd");
  auto copy = duplicate_of(*fd);
  if (!copy.ok()) return throw_failure(info.Env(), copy.error());
  return wrap(info.Env(), std::move(copy).value());
}

Napi::Value Fd::is_fd(const Napi::CallbackInfo& info) {
  bool ours = false;
  const bool tagged =
      info[0].IsObject() && napi_check_object_type_tag(info.Env(), info[0], &kFdTag, &ours) == napi_ok && ours;
  return Napi::Boolean::New(info.Env(), tagged);
}

Napi::Value Fd::number(const Napi::CallbackInfo& info) {
  if (!fd_) return throw_misuse(info.Env(), kSpent);
  return Napi::Number::New(info.Env(), fd_.get());
}

Napi::Value Fd::closed(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), !fd_); }

Napi::Value Fd::take(const Napi::CallbackInfo& info) {
  if (!fd_) return throw_misuse(info.Env(), kSpent);
  return Napi::Number::New(info.Env(), fd_.release());
}

void Fd::close(const Napi::CallbackInfo&) { fd_.reset(); }

}  // namespace frazil
