// Making and opening files below a folder that others may change meanwhile (native/sys/openat2.h).

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "sys/openat2.h"

namespace frazil {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;

struct Place {
  int root;
  std::string path;
};

std::optional<Place> place_of(const Napi::CallbackInfo& info) {
  const auto root = Fd::borrow(info[0]);
  if (!root) return {};
  auto path = to_string(info[1], "path: a string");
  if (!path) return {};
  return Place{*root, std::move(*path)};
}

Napi::Value opened(Napi::Env env, Result<UniqueFd> fd) {
  if (!fd.ok()) return throw_failure(env, fd.error());
  return Fd::wrap(env, std::move(fd).value());
}

// openBeneath(root: Fd, path, 'read' | 'create' | 'folder') -> Fd
Napi::Value open_one(const Napi::CallbackInfo& info) {
  const auto place = place_of(info);
  const auto how = place ? to_string(info[2], "how: a string") : std::nullopt;
  if (!how) return {};
  const char* path = place->path.c_str();
  if (*how == "read") return opened(info.Env(), open_beneath(place->root, path, O_RDONLY | O_NONBLOCK, 0));
  if (*how == "folder") return opened(info.Env(), open_beneath(place->root, path, O_RDONLY | O_DIRECTORY, 0));
  if (*how == "create") return opened(info.Env(), open_beneath(place->root, path, O_RDWR | O_CREAT | O_EXCL, kFileMode));
  return throw_misuse(info.Env(), "how: read, create or folder");
}

// mkdirBeneath(root: Fd, path): EEXIST when something has that name.
Napi::Value make_folder(const Napi::CallbackInfo& info) {
  const auto place = place_of(info);
  if (!place) return {};
  const char* name = nullptr;
  auto parent = open_parent_beneath(place->root, place->path.c_str(), &name);
  if (!parent.ok()) return throw_failure(info.Env(), parent.error());
  if (::mkdirat(parent.value().get(), name, kFolderMode) == -1) return throw_failure(info.Env(), {errno, "mkdirat"});
  return info.Env().Undefined();
}

// symlinkBeneath(root: Fd, path, target)
Napi::Value make_link(const Napi::CallbackInfo& info) {
  const auto place = place_of(info);
  const auto target = place ? to_string(info[2], "target: a string") : std::nullopt;
  if (!target) return {};
  const char* name = nullptr;
  auto parent = open_parent_beneath(place->root, place->path.c_str(), &name);
  if (!parent.ok()) return throw_failure(info.Env(), parent.error());
  if (::symlinkat(target->c_str(), parent.value().get(), name) == -1) {
    return throw_failure(info.Env(), {errno, "symlinkat"});
  }
  return info.Env().Undefined();
}

}  // namespace

void define_beneath(Napi::Env env, Napi::Object exports) {
  exports.Set("openBeneath", Napi::Function::New<open_one>(env, "openBeneath"));
  exports.Set("mkdirBeneath", Napi::Function::New<make_folder>(env, "mkdirBeneath"));
  exports.Set("symlinkBeneath", Napi::Function::New<make_link>(env, "symlinkBeneath"));
}

}  // namespace frazil
