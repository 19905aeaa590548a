// Becoming another program.

#include "sys/exec.h"

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"

namespace frazil {
namespace {

std::optional<ExecOptions> to_exec_options(const Napi::Value& value) {
  auto file = to_string(property(value, "file"), "file: a path");
  if (!file) return std::nullopt;
  auto argv = to_strings(property(value, "argv"), "argv: an array of strings");
  if (!argv) return std::nullopt;
  auto env = to_strings(property(value, "env"), "env: an array of NAME=value");
  if (!env) return std::nullopt;
  auto keep = to_ints(property(value, "keep"), "keep: an array of fd numbers");
  if (!keep) return std::nullopt;
  auto nonblocking = to_ints(property(value, "nonblocking"), "nonblocking: an array of fd numbers");
  if (!nonblocking) return std::nullopt;
  ExecOptions options{std::move(*file), std::move(*argv),        std::move(*env),
                      std::move(*keep), std::move(*nonblocking), std::nullopt};
  const Napi::Value open_files = property(value, "openFiles");
  if (open_files.IsUndefined()) return options;
  options.open_files = to_unsigned(open_files, "openFiles: a number");
  if (!options.open_files) return std::nullopt;
  return options;
}

// exec(options): throws, or never returns
Napi::Value exec(const Napi::CallbackInfo& info) {
  const auto options = to_exec_options(info[0]);
  if (!options) return {};
  return throw_failure(info.Env(), exec_program(*options));
}

}  // namespace

void define_exec(Napi::Env env, Napi::Object exports) { exports.Set("exec", Napi::Function::New<exec>(env, "exec")); }

}  // namespace frazil
