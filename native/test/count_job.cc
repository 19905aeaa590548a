// countJob(steps, onProgress?) -> Job<number>: a job that does nothing but count and announce, for the tests of Job
// itself. Only in the addon that check:native builds (FRAZIL_TESTS).

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/job.h"
#include "sys/wait_for.h"

namespace frazil {
namespace {

class CountJob final : public Job {
 public:
  explicit CountJob(uint64_t steps) : steps_(steps) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    while (*counted_ < steps_ && !cancel.cancelled()) {
      counted_->fetch_add(1, std::memory_order_relaxed);
      announce();
    }
    cancelled_ = cancel.cancelled();
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (cancelled_) return SysError{ECANCELED, "poll"};
    return Napi::Number::New(env, static_cast<double>(*counted_)).As<Napi::Value>();
  }

  Snapshot snapshot() const override {
    return [counted = counted_](Napi::Env env) -> Napi::Value {
      Napi::Object view = Napi::Object::New(env);
      view.Set("counted", Napi::Number::New(env, static_cast<double>(*counted)));
      return view;
    };
  }

  uint64_t steps_;
  bool cancelled_ = false;
  std::shared_ptr<std::atomic<uint64_t>> counted_ = std::make_shared<std::atomic<uint64_t>>(0);
};

Napi::Value count_job(const Napi::CallbackInfo& info) {
  const auto steps = to_unsigned(info[0], "steps: a number");
  if (!steps) return {};
  return Job::start(info.Env(), "frazil-count", std::make_unique<CountJob>(*steps), info[1]);
}

}  // namespace

void define_tests(Napi::Env env, Napi::Object exports) {
  exports.Set("countJob", Napi::Function::New<count_job>(env, "countJob"));
}

}  // namespace frazil
