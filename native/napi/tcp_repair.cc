// Sockets of other processes that a killed CRIU has left in repair mode.

#include "sys/tcp_repair.h"

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"

namespace frazil {
namespace {

// pidfdGetfd(pidfd, number) -> Fd
Napi::Value pidfd_getfd(const Napi::CallbackInfo& info) {
  const auto pidfd = Fd::borrow(info[0]);
  if (!pidfd) return {};
  const auto number = to_int(info[1], "number: a number");
  if (!number) return {};
  auto copied = copy_fd(*pidfd, *number);
  if (!copied.ok()) return throw_failure(info.Env(), copied.error());
  return Fd::wrap(info.Env(), std::move(copied).value());
}

// tcpInRepair(fd) -> boolean
Napi::Value tcp_in_repair(const Napi::CallbackInfo& info) {
  const auto fd = Fd::borrow(info[0]);
  if (!fd) return {};
  const auto in_repair = is_in_repair(*fd);
  if (!in_repair.ok()) return throw_failure(info.Env(), in_repair.error());
  return Napi::Boolean::New(info.Env(), in_repair.value());
}

// tcpEndRepair(fd, reuseAddress)
Napi::Value tcp_end_repair(const Napi::CallbackInfo& info) {
  const auto fd = Fd::borrow(info[0]);
  if (!fd) return {};
  const auto reuse_address = to_boolean(info[1], "reuseAddress: a boolean");
  if (!reuse_address) return {};
  const auto ended = end_repair(*fd, *reuse_address);
  if (!ended.ok()) return throw_failure(info.Env(), ended.error());
  return {};
}

}  // namespace

void define_tcp_repair(Napi::Env env, Napi::Object exports) {
  exports.Set("pidfdGetfd", Napi::Function::New<pidfd_getfd>(env, "pidfdGetfd"));
  exports.Set("tcpInRepair", Napi::Function::New<tcp_in_repair>(env, "tcpInRepair"));
  exports.Set("tcpEndRepair", Napi::Function::New<tcp_end_repair>(env, "tcpEndRepair"));
}

}  // namespace frazil
