#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>

#include "core/cancel.h"
#include "core/result.h"
#include "core/thread.h"

namespace frazil {

// The one abstraction for background work: one thread, one ThreadSafeFunction, one promise.
//
//   class CountJob final : public Job {
//     void run(const Cancel& cancel) noexcept override { ... }                    // own thread: no Napi in here
//     Result<Napi::Value> settle(Napi::Env env) override { return ...; }          // JS thread, once, after run()
//   };
//   return Job::start(info.Env(), "count", std::make_unique<CountJob>(...), on_progress);
//
// What run() works on belongs to the job (consumed or duplicated fds). run() should drop its fds before it returns
// (take them into locals): then they are closed when the promise settles. Every wait inside includes `cancel`, because
// the finalizer joins the thread on the JS thread.
//
// JavaScript sees { done, cancel(), unref(), snapshot() }. It may drop that object; the job runs on.
class Job {
 public:
  // Makes the plain object of counters that `snapshot()` returns: on the JS thread, whenever it likes, also after the
  // job is gone. It therefore owns what it reads (a shared_ptr to atomics), not the job.
  using Snapshot = std::function<Napi::Value(Napi::Env)>;

  // Starts the thread. `on_progress` is undefined or a function without arguments, called at most once per announce()
  // and less often when JavaScript is busy. Throws a failure (and frees the job) when no thread can be had.
  static Napi::Value start(Napi::Env env, const char* name, std::unique_ptr<Job> job, const Napi::Value& on_progress);

  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

 protected:
  Job() = default;

  virtual void run(const Cancel& cancel) noexcept = 0;
  virtual Result<Napi::Value> settle(Napi::Env env) = 0;
  virtual Snapshot snapshot() const { return {}; }

  // Counters have changed. From run(), or from threads that run() joins before it returns. Cheap when a wake-up is in
  // flight already.
  void announce() noexcept;

 private:
  static void on_wake(napi_env env, napi_value function, void* job, void* data) noexcept;
  static void on_finalize(napi_env env, void* job, void* hint) noexcept;

  Result<void> open(Napi::Env env, const char* name);
  Napi::Object view(Napi::Env env);
  void body() noexcept;
  void wake(Napi::Env env);
  void conclude(Napi::Env env);

  // Shared with nobody but weak references in JavaScript's `cancel` and `unref`.
  std::shared_ptr<Cancel> cancel_;
  napi_threadsafe_function wakeup_ = nullptr;
  napi_deferred deferred_ = nullptr;  // null once settled
  Napi::FunctionReference on_progress_;
  std::atomic<bool> announced_{false};
  std::atomic<bool> finished_{false};
  std::atomic<bool> closing_{false};  // the environment is ending: wakeup_ may be gone
  struct Entry {
    Job* job;
    void operator()() noexcept { job->body(); }
  } entry_{this};
  Thread thread_;  // last member: joined before the others go
};

}  // namespace frazil
