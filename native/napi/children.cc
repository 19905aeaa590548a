// Processes: started, watched and signalled by pidfd, beside libuv's own children and without touching them.
//
// libuv learns of its children's ends by SIGCHLD and then asks waitpid() for each pid that it started; ours are never
// among them. We ask waitid(P_PIDFD) for exactly one of ours and install no handler. So both may live in one process,
// and a tree that CRIU restored as our child (rst_sibling) is reaped here although no call of ours started it.

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/job.h"
#include "sys/child_watch.h"
#include "sys/pidfd.h"
#include "sys/spawn.h"

namespace frazil {
namespace {

// [{ fd: Fd | number, as: number }]
std::optional<std::vector<InheritedFd>> to_inherited(const Napi::Value& value) {
  constexpr const char* kWanted = "fds: an array of { fd, as }";
  if (!value.IsArray()) {
    throw_misuse(value.Env(), kWanted);
    return std::nullopt;
  }
  const auto array = value.As<Napi::Array>();
  std::vector<InheritedFd> fds;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value one = array.Get(i);
    const auto as = to_int(property(one, "as"), kWanted);
    if (!as) return std::nullopt;
    // A plain number is for fds that Node itself owns, such as stdio or a FileHandle's.
    const Napi::Value source = property(one, "fd");
    const auto fd = source.IsNumber() ? to_int(source, kWanted) : Fd::borrow(source);
    if (!fd) return std::nullopt;
    fds.push_back({*fd, *as});
  }
  return fds;
}

std::optional<SpawnOptions> to_spawn_options(const Napi::Value& value) {
  auto file = to_string(property(value, "file"), "file: a path");
  if (!file) return std::nullopt;
  auto argv = to_strings(property(value, "argv"), "argv: an array of strings");
  if (!argv) return std::nullopt;
  std::optional<std::vector<std::string>> env;
  if (const Napi::Value given = property(value, "env"); !given.IsUndefined()) {
    env = to_strings(given, "env: an array of NAME=value");
    if (!env) return std::nullopt;
  }
  std::optional<std::vector<std::string>> more_env(std::in_place);
  if (const Napi::Value given = property(value, "moreEnv"); !given.IsUndefined()) {
    more_env = to_strings(given, "moreEnv: an array of NAME=value");
    if (!more_env) return std::nullopt;
  }
  auto fds = to_inherited(property(value, "fds"));
  if (!fds) return std::nullopt;
  const auto new_process_group = to_boolean(property(value, "newProcessGroup"), "newProcessGroup: a boolean");
  if (!new_process_group) return std::nullopt;
  SpawnOptions options{std::move(*file), std::move(*argv), std::move(env), std::move(*more_env),
                       std::move(*fds),  {},               *new_process_group};
  const Napi::Value cwd = property(value, "cwd");
  if (cwd.IsUndefined()) return options;
  auto path = to_string(cwd, "cwd: a path");
  if (!path) return std::nullopt;
  options.cwd = std::move(*path);
  return options;
}

// spawn(options) -> { pid, pidfd }
Napi::Value spawn(const Napi::CallbackInfo& info) {
  const auto options = to_spawn_options(info[0]);
  if (!options) return {};
  auto child = spawn_child(*options);
  if (!child.ok()) return throw_failure(info.Env(), child.error());
  Napi::Object view = Napi::Object::New(info.Env());
  view.Set("pid", Napi::Number::New(info.Env(), child.value().pid));
  view.Set("pidfd", Fd::wrap(info.Env(), std::move(child.value().pidfd)));
  return view;
}

// Reaps. The duplicate of the pidfd is closed on the job's thread, before the promise settles.
class WaitChildJob : public Job {
 public:
  explicit WaitChildJob(UniqueFd pidfd) noexcept : pidfd_(std::move(pidfd)) {}

 protected:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd pidfd = std::move(pidfd_);
    ended_ = wait_child(pidfd.get(), cancel);
  }

  Result<Napi::Value> settle(Napi::Env env) final {
    if (!ended_.ok()) return ended_.error();
    Napi::Object view = Napi::Object::New(env);
    if (const auto* exited = std::get_if<Exited>(&ended_.value())) {
      view.Set("kind", "exited");
      view.Set("code", exited->code);
    } else if (const auto* signaled = std::get_if<Signaled>(&ended_.value())) {
      view.Set("kind", "signaled");
      view.Set("signal", signaled->signal);
      view.Set("coreDumped", signaled->core_dumped);
    }
    return view;
  }

  UniqueFd pidfd_;
  Result<ExitStatus> ended_ = ExitStatus(Exited{0});
};

// The same, and announces that the socket has something whenever it was armed. One thread for the child's whole life.
class WatchChildJob final : public WaitChildJob {
 public:
  WatchChildJob(UniqueFd pidfd, std::shared_ptr<const ChildWatch> watch) noexcept
      : WaitChildJob(std::move(pidfd)), watch_(std::move(watch)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    // The set refers to our pidfd: it goes first.
    const UniqueFd pidfd = std::move(pidfd_);
    const std::shared_ptr<const ChildWatch> watch = std::move(watch_);
    for (;;) {
      const auto event = watch->wait(cancel);
      if (event.ok() && event.value() == ChildWatch::Event::readable) {
        announce();
        continue;
      }
      ended_ = event.ok() ? wait_child(pidfd.get(), cancel) : Result<ExitStatus>(event.error());
      return;
    }
  }

  std::shared_ptr<const ChildWatch> watch_;
};

// Only watches: whose child it is does not matter.
class WaitExitJob final : public Job {
 public:
  explicit WaitExitJob(UniqueFd pidfd) noexcept : pidfd_(std::move(pidfd)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd pidfd = std::move(pidfd_);
    ended_ = wait_exit(pidfd.get(), cancel);
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (!ended_.ok()) return ended_.error();
    return env.Undefined();
  }

  UniqueFd pidfd_;
  Result<void> ended_;
};

template <typename WaitJob>
Napi::Value start_wait(const Napi::CallbackInfo& info) {
  auto pidfd = Fd::duplicate(info[0]);
  if (!pidfd) return {};
  return Job::start(info.Env(), "frazil-wait", std::make_unique<WaitJob>(std::move(*pidfd)), info.Env().Undefined());
}

// Weak: once the child has ended there is nothing to arm, and no fd of the job is open.
Napi::Function arm_of(Napi::Env env, std::weak_ptr<const ChildWatch> watch) {
  return Napi::Function::New(env, [watch = std::move(watch)](const Napi::CallbackInfo& info) {
    const auto socket = Fd::borrow(info[0]);
    const auto running = watch.lock();
    if (!socket || !running) return;
    const auto armed = running->arm(*socket);
    if (!armed.ok()) (void)throw_failure(info.Env(), armed.error());
  });
}

// watchChild(pidfd, onReadable) -> Job<ExitStatus> & { arm(socket) }
Napi::Value watch_child(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto pidfd = Fd::duplicate(info[0]);
  if (!pidfd) return {};
  auto opened = ChildWatch::open(pidfd->get());
  if (!opened.ok()) return throw_failure(env, opened.error());
  auto watch = std::make_shared<const ChildWatch>(std::move(opened).value());
  const Napi::Function arm = arm_of(env, watch);
  const Napi::Value view =
      Job::start(env, "frazil-child", std::make_unique<WatchChildJob>(std::move(*pidfd), std::move(watch)), info[1]);
  if (view.IsObject()) view.As<Napi::Object>().Set("arm", arm);
  return view;
}

// pidfdOpen(pid) -> Fd
Napi::Value pidfd_open(const Napi::CallbackInfo& info) {
  const auto pid = to_int(info[0], "pid: a number");
  if (!pid) return {};
  auto pidfd = open_pidfd(*pid);
  if (!pidfd.ok()) return throw_failure(info.Env(), pidfd.error());
  return Fd::wrap(info.Env(), std::move(pidfd).value());
}

// sendSignal(pidfd, signal)
Napi::Value signal(const Napi::CallbackInfo& info) {
  const auto pidfd = Fd::borrow(info[0]);
  if (!pidfd) return {};
  const auto number = to_int(info[1], "signal: a number");
  if (!number) return {};
  const auto sent = send_signal(*pidfd, *number);
  if (!sent.ok()) return throw_failure(info.Env(), sent.error());
  return {};
}

// setChildSubreaper(on)
Napi::Value subreaper(const Napi::CallbackInfo& info) {
  const auto on = to_boolean(info[0], "on: a boolean");
  if (!on) return {};
  const auto done = set_child_subreaper(*on);
  if (!done.ok()) return throw_failure(info.Env(), done.error());
  return {};
}

}  // namespace

void define_children(Napi::Env env, Napi::Object exports) {
  exports.Set("spawn", Napi::Function::New<spawn>(env, "spawn"));
  exports.Set("waitChild", Napi::Function::New<start_wait<WaitChildJob>>(env, "waitChild"));
  exports.Set("watchChild", Napi::Function::New<watch_child>(env, "watchChild"));
  exports.Set("waitExit", Napi::Function::New<start_wait<WaitExitJob>>(env, "waitExit"));
  exports.Set("pidfdOpen", Napi::Function::New<pidfd_open>(env, "pidfdOpen"));
  exports.Set("sendSignal", Napi::Function::New<signal>(env, "sendSignal"));
  exports.Set("setChildSubreaper", Napi::Function::New<subreaper>(env, "setChildSubreaper"));
}

}  // namespace frazil
