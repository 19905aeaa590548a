// Pipes and memfds: made here, used by whoever gets the handles. And the lock that Node has no call for.

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "sys/file_lock.h"
#include "sys/link_file.h"
#include "sys/memfd.h"
#include "sys/pipe.h"

namespace frazil {
namespace {

// pipe({ capacityBytes }?) -> { read, write }
Napi::Value pipe(const Napi::CallbackInfo& info) {
  const auto capacity = to_unsigned_or(property(info[0], "capacityBytes"), 0, "capacityBytes: a size in bytes");
  if (!capacity) return {};
  auto made = open_pipe(*capacity);
  if (!made.ok()) return throw_failure(info.Env(), made.error());
  Napi::Object ends = Napi::Object::New(info.Env());
  ends.Set("read", Fd::wrap(info.Env(), std::move(made.value().read)));
  ends.Set("write", Fd::wrap(info.Env(), std::move(made.value().write)));
  return ends;
}

// memfd(name) -> Fd
Napi::Value memfd(const Napi::CallbackInfo& info) {
  const auto name = to_string(info[0], "name: a string");
  if (!name) return {};
  auto made = open_memfd(name->c_str());
  if (!made.ok()) return throw_failure(info.Env(), made.error());
  return Fd::wrap(info.Env(), std::move(made).value());
}

// tryLock(fd) -> boolean
Napi::Value lock_file(const Napi::CallbackInfo& info) {
  const auto fd = Fd::borrow(info[0]);
  if (!fd) return {};
  const auto locked = try_lock(*fd);
  if (!locked.ok()) return throw_failure(info.Env(), locked.error());
  return Napi::Boolean::New(info.Env(), locked.value());
}

// linkFile(fd, path): a name for a file that has none (O_TMPFILE)
Napi::Value link_file(const Napi::CallbackInfo& info) {
  const auto fd = Fd::borrow(info[0]);
  if (!fd) return {};
  const auto path = to_string(info[1], "path: a string");
  if (!path) return {};
  const auto linked = link_to(*fd, path->c_str());
  if (!linked.ok()) return throw_failure(info.Env(), linked.error());
  return info.Env().Undefined();
}

// renameNew(from, to): never over what is there
Napi::Value rename_new_file(const Napi::CallbackInfo& info) {
  const auto from = to_string(info[0], "from: a path");
  if (!from) return {};
  const auto to = to_string(info[1], "to: a path");
  if (!to) return {};
  const auto renamed = rename_new(from->c_str(), to->c_str());
  if (!renamed.ok()) return throw_failure(info.Env(), renamed.error());
  return info.Env().Undefined();
}

}  // namespace

void define_files(Napi::Env env, Napi::Object exports) {
  exports.Set("pipe", Napi::Function::New<pipe>(env, "pipe"));
  exports.Set("memfd", Napi::Function::New<memfd>(env, "memfd"));
  exports.Set("linkFile", Napi::Function::New<link_file>(env, "linkFile"));
  exports.Set("renameNew", Napi::Function::New<rename_new_file>(env, "renameNew"));
  exports.Set("tryLock", Napi::Function::New<lock_file>(env, "tryLock"));
}

}  // namespace frazil
