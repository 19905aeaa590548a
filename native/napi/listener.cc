// Listening for messages: others connect to us by a path.

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/job.h"
#include "sys/unix_listener.h"

namespace frazil {
namespace {

// listenSeqpacket(path) -> Fd
Napi::Value listen_at(const Napi::CallbackInfo& info) {
  const auto path = to_string(info[0], "path: a string");
  if (!path) return {};
  auto listener = listen_seqpacket(path->c_str());
  if (!listener.ok()) return throw_failure(info.Env(), listener.error());
  return Fd::wrap(info.Env(), std::move(listener).value());
}

class AcceptJob final : public Job {
 public:
  explicit AcceptJob(UniqueFd listener) noexcept : listener_(std::move(listener)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd listener = std::move(listener_);
    peer_ = accept_peer(listener.get(), cancel);
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (!peer_.ok()) return peer_.error();
    Peer& peer = peer_.value();
    Napi::Object view = Napi::Object::New(env);
    view.Set("pid", peer.pid);
    view.Set("uid", peer.uid);
    view.Set("socket", Fd::wrap(env, std::move(peer.socket)));
    return view;
  }

  UniqueFd listener_;
  Result<Peer> peer_ = SysError{ECANCELED, "accept4"};
};

// accept(listener) -> Job<{ socket, pid, uid }>
Napi::Value accept(const Napi::CallbackInfo& info) {
  auto listener = Fd::duplicate(info[0]);
  if (!listener) return {};
  return Job::start(info.Env(), "frazil-accept", std::make_unique<AcceptJob>(std::move(*listener)), info.Env().Undefined());
}

}  // namespace

void define_listener(Napi::Env env, Napi::Object exports) {
  exports.Set("listenSeqpacket", Napi::Function::New<listen_at>(env, "listenSeqpacket"));
  exports.Set("accept", Napi::Function::New<accept>(env, "accept"));
}

}  // namespace frazil
