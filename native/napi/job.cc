#include "napi/job.h"

#include "napi/call.h"

// The life of a job:
//
//   JS thread  start ── view to JS ───────── on_wake: settle ───────── on_finalize: cancel, join, delete
//   own thread          run ── finished_ ── wake ── release ── end
//
// on_finalize comes after release, or out of the blue when the environment (a worker) is torn down; then the thread
// finds the function closing and touches it no more. In both cases it is the only place that frees.

namespace frazil {
namespace {

// One progress wake-up in flight plus the last one: the queue is never full, so no call on it ever blocks.
constexpr size_t kMaxQueue = 2;

void no_op(const Napi::CallbackInfo&) {}

}  // namespace

Napi::Value Job::start(Napi::Env env, const char* name, std::unique_ptr<Job> job, const Napi::Value& on_progress) {
  auto cancel = Cancel::open();
  if (!cancel.ok()) return throw_failure(env, cancel.error());
  job->cancel_ = std::make_shared<Cancel>(std::move(cancel).value());
  if (on_progress.IsFunction()) job->on_progress_ = Napi::Persistent(on_progress.As<Napi::Function>());
  if (napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, name), kMaxQueue, 1, job.get(),
                                      on_finalize, job.get(), on_wake, &job->wakeup_) != napi_ok) {
    return throw_misuse(env, "no ThreadSafeFunction can be made: the environment is ending");
  }
  Job* self = job.release();  // on_finalize's from here on
  const Napi::Object view = self->view(env);
  auto thread = Thread::spawn(name, self->entry_);
  if (!thread.ok()) {
    (void)napi_release_threadsafe_function(self->wakeup_, napi_tsfn_abort);
    return throw_failure(env, thread.error());
  }
  self->thread_ = std::move(thread).value();
  return view;
}

Napi::Object Job::view(Napi::Env env) {
  napi_value promise = nullptr;
  (void)napi_create_promise(env, &deferred_, &promise);
  std::weak_ptr<Cancel> cancel = cancel_;
  Napi::Object view = Napi::Object::New(env);
  view.Set("done", promise);
  view.Set("cancel", Napi::Function::New(env, [cancel](const Napi::CallbackInfo&) {
             if (const auto running = cancel.lock()) running->signal();
           }));
  // While the Cancel lives the job has not concluded, and so its ThreadSafeFunction is there.
  view.Set("unref", Napi::Function::New(env, [cancel, wakeup = wakeup_](const Napi::CallbackInfo& info) {
             if (const auto running = cancel.lock()) (void)napi_unref_threadsafe_function(info.Env(), wakeup);
           }));
  if (Snapshot make = snapshot()) {
    view.Set("snapshot", Napi::Function::New(env, [make](const Napi::CallbackInfo& info) { return make(info.Env()); }));
  } else {
    view.Set("snapshot", Napi::Function::New(env, no_op));
  }
  return view;
}

void Job::body() noexcept {
  run(*cancel_);
  finished_.store(true, std::memory_order_release);
  // napi_closing means that the environment is ending and has dropped our reference: then there is nothing to release.
  if (closing_.load(std::memory_order_acquire)) return;
  if (napi_call_threadsafe_function(wakeup_, nullptr, napi_tsfn_blocking) == napi_closing) return;
  (void)napi_release_threadsafe_function(wakeup_, napi_tsfn_release);
}

void Job::announce() noexcept {
  // Only the one who turns it to true calls, so no two threads of a job are in there at once; after napi_closing it
  // stays true, so that nobody calls again: newer Nodes free the function as soon as the last thread was told.
  if (announced_.exchange(true, std::memory_order_acq_rel)) return;
  if (napi_call_threadsafe_function(wakeup_, nullptr, napi_tsfn_nonblocking) == napi_closing) {
    closing_.store(true, std::memory_order_release);
  }
}

void Job::on_wake(napi_env env, napi_value, void* job, void*) noexcept {
  if (env == nullptr) return;  // drained after the finalizer: the job is gone
  static_cast<Job*>(job)->wake(env);
}

void Job::wake(Napi::Env env) {
  if (deferred_ == nullptr) return;
  announced_.store(false, std::memory_order_release);
  if (finished_.load(std::memory_order_acquire)) {
    conclude(env);
  } else if (!on_progress_.IsEmpty()) {
    call_js(env, on_progress_.Value());
  }
}

void Job::conclude(Napi::Env env) {
  // run() has returned, so nobody waits on it any more. Here rather than in the finalizer, which comes a turn of the
  // loop later: whoever awaited a job finds no fd of it open.
  cancel_.reset();
  const auto outcome = settle(env);
  napi_deferred deferred = std::exchange(deferred_, nullptr);
  if (outcome.ok()) {
    (void)napi_resolve_deferred(env, deferred, outcome.value());
  } else {
    (void)napi_reject_deferred(env, deferred, failure(env, outcome.error()));
  }
}

void Job::on_finalize(napi_env, void* job, void*) noexcept {
  std::unique_ptr<Job> self(static_cast<Job*>(job));
  if (self->cancel_) self->cancel_->signal();
  self->thread_.join();
}

}  // namespace frazil
