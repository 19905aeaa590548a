// runTunnel: a plain connection through an encrypted one.

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/job.h"
#include "napi/transfer_args.h"
#include "transfer/tunnel.h"

namespace frazil {
namespace {

class TunnelJob final : public Job {
 public:
  explicit TunnelJob(transfer::Tunnel tunnel) noexcept : tunnel_(std::move(tunnel)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    // Whoever waits at either end sees the end of it when this has ended.
    transfer::Tunnel tunnel = std::move(tunnel_);
    outcome_ = tunnel.run(cancel);
  }
  Result<Napi::Value> settle(Napi::Env env) override {
    if (!outcome_.ok()) return outcome_.error();
    return env.Undefined();
  }

  transfer::Tunnel tunnel_;
  Result<void> outcome_;
};

// runTunnel({ outer: Fd (consumed), inner: Fd (consumed), keys: [out, in] }) -> Job<void>
Napi::Value run_tunnel(const Napi::CallbackInfo& info) {
  const auto keys = to_keys(property(info[0], "keys"));
  if (!keys) return {};
  if (keys->size() != 2) return throw_misuse(info.Env(), "keys: two of them");
  auto outer = Fd::consume(property(info[0], "outer"));
  if (!outer) return {};
  auto inner = Fd::consume(property(info[0], "inner"));
  if (!inner) return {};
  auto tunnel = transfer::Tunnel::open(std::move(*outer), std::move(*inner), {keys->front(), keys->back()});
  if (!tunnel.ok()) return throw_failure(info.Env(), tunnel.error());
  auto job = std::make_unique<TunnelJob>(std::move(tunnel).value());
  return Job::start(info.Env(), "frazil-tunnel", std::move(job), info.Env().Undefined());
}

}  // namespace

void define_tunnel(Napi::Env env, Napi::Object exports) {
  exports.Set("runTunnel", Napi::Function::New<run_tunnel>(env, "runTunnel"));
}

}  // namespace frazil
