#include "criu/libcriu.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

#include "core/thread.h"
#include "sys/seqpacket.h"
#include "sys/wait_for.h"

namespace frazil {
namespace {

using Opts = void;  // criu_opts, which is opaque
using Notify = int (*)(char* action, void* notification);

// Closes the library when a call is over. NODELETE keeps its code, and thereby its statics, in the process.
class Library {
 public:
  explicit Library(const char* path) noexcept : handle_(::dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) {}
  ~Library() {
    if (handle_ != nullptr) (void)::dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  bool open() const noexcept { return handle_ != nullptr; }

  template <typename Function>
  Function find(const char* symbol) const noexcept {
    return reinterpret_cast<Function>(::dlsym(handle_, symbol));
  }

 private:
  void* handle_;
};

// The process has one libcriu with one set of statics, whatever environment calls it: this flag guards those.
std::atomic<bool> in_use{false};

class InUse {
 public:
  InUse() noexcept : mine_(!in_use.exchange(true, std::memory_order_acquire)) {}
  ~InUse() {
    if (mine_) in_use.store(false, std::memory_order_release);
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  bool mine() const noexcept { return mine_; }

 private:
  bool mine_;
};

// libcriu's callback takes no argument of ours; it comes on the thread that made the call.
struct Conversation {
  const Library& library;
  const UniqueFd& channel;
  const Cancel& cancel;
};
thread_local const Conversation* conversation = nullptr;

UniqueFd orphan_terminal(const Library& library) noexcept {
  const auto get = library.find<int (*)()>("criu_get_orphan_pts_master_fd");
  return get == nullptr ? UniqueFd() : UniqueFd(get());
}

constexpr char kProceed = 1;

int ask(const char* action, int pid) noexcept {
  std::vector<std::byte> message(sizeof pid + std::strlen(action));
  std::memcpy(message.data(), &pid, sizeof pid);
  std::memcpy(message.data() + sizeof pid, action, std::strlen(action));
  UniqueFd terminal;
  if (std::strcmp(action, "orphan-pts-master") == 0) terminal = orphan_terminal(conversation->library);
  const std::array<int, 1> fds{terminal.get()};
  const auto sent =
      send_message(conversation->channel.get(), message, terminal ? std::span<const int>(fds) : std::span<const int>());
  if (!sent.ok()) return -ECANCELED;
  const auto reply = receive_message(conversation->channel.get(), conversation->cancel);
  if (!reply.ok() || !reply.value() || reply.value()->bytes.size() != 1) return -ECANCELED;
  return reply.value()->bytes.front() == std::byte{kProceed} ? 0 : -ECANCELED;
}

int on_notify(char* action, void* notification) {
  const auto pid_of = conversation->library.find<int (*)(void*)>("criu_notify_pid");
  return ask(action, pid_of == nullptr ? 0 : pid_of(notification));
}

int number_of(const LibcriuArgument& argument) noexcept {
  const double* number = std::get_if<double>(&argument);
  return number == nullptr ? 0 : static_cast<int>(static_cast<long long>(*number));
}
const char* text_of(const LibcriuArgument& argument) noexcept {
  const std::string* text = std::get_if<std::string>(&argument);
  return text == nullptr ? nullptr : text->c_str();
}

template <typename... Arguments>
int invoke(void* function, bool returns, Opts* opts, Arguments... arguments) noexcept {
  if (returns) return reinterpret_cast<int (*)(Opts*, Arguments...)>(function)(opts, arguments...);
  reinterpret_cast<void (*)(Opts*, Arguments...)>(function)(opts, arguments...);
  return 0;
}

// TypeScript's table and this list are compared by test/unit/rpc/libcriu-setters.test.ts.
int set(void* function, const LibcriuSetter& setter, Opts* opts) noexcept {
  const bool returns = setter.signature.starts_with('!');
  const std::string kinds = setter.signature.substr(returns ? 1 : 0);
  const auto& a = setter.arguments;
  if (kinds == "i" || kinds == "u") return invoke(function, returns, opts, number_of(a[0]));
  if (kinds == "b") return invoke(function, returns, opts, number_of(a[0]) != 0);
  if (kinds == "s") return invoke(function, returns, opts, text_of(a[0]));
  if (kinds == "ss" || kinds == "ns") return invoke(function, returns, opts, text_of(a[0]), text_of(a[1]));
  if (kinds == "ssn") return invoke(function, returns, opts, text_of(a[0]), text_of(a[1]), text_of(a[2]));
  if (kinds == "is") return invoke(function, returns, opts, number_of(a[0]), text_of(a[1]));
  if (kinds == "si") return invoke(function, returns, opts, text_of(a[0]), number_of(a[1]));
  if (kinds != "v") return -EINVAL;
  std::vector<const char*> argv;
  for (const auto& one : a) argv.push_back(text_of(one));
  return invoke(function, returns, opts, static_cast<int>(argv.size()), argv.data());
}

// Owns the options of one call.
class Options {
 public:
  explicit Options(const Library& library) noexcept : library_(library) {
    const auto init = library.find<int (*)(Opts**)>("criu_local_init_opts");
    if (init != nullptr && init(&opts_) != 0) opts_ = nullptr;
  }
  ~Options() {
    const auto free_opts = library_.find<void (*)(Opts*)>("criu_local_free_opts");
    if (opts_ != nullptr && free_opts != nullptr) free_opts(opts_);
  }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  Opts* get() const noexcept { return opts_; }

 private:
  const Library& library_;
  Opts* opts_ = nullptr;
};

// The struct that criu_local_feature_check() takes; a newer libcriu has more members, hence its size argument.
struct Features {
  bool mem_track;
  bool lazy_pages;
  bool pidfd_store;
};
static_assert(sizeof(Features) == 3);

int check_features(void* function, Opts* opts, std::vector<bool>& wanted) noexcept {
  wanted.resize(sizeof(Features));
  Features features{wanted[0], wanted[1], wanted[2]};
  const int value = reinterpret_cast<int (*)(Opts*, Features*, size_t)>(function)(opts, &features, sizeof features);
  wanted = {features.mem_track, features.lazy_pages, features.pidfd_store};
  return value;
}

// While libcriu waits for CRIU it hears nobody. This thread waits for a cancel in its place, and cuts the line.
class Scissors {
 public:
  static Result<void> hold(Scissors& scissors) noexcept {
    scissors.done_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
    if (!scissors.done_) return SysError{errno, "eventfd"};
    auto thread = Thread::spawn("libcriu-cancel", scissors);
    if (!thread.ok()) return thread.error();
    scissors.thread_ = std::move(thread).value();
    return {};
  }
  Scissors(const UniqueFd& line, const Cancel& cancel) noexcept : line_(line), cancel_(cancel) {}
  ~Scissors() {
    if (done_) (void)::eventfd_write(done_.get(), 1);
  }
  Scissors(const Scissors&) = delete;
  Scissors& operator=(const Scissors&) = delete;

  void operator()() noexcept {
    const auto wake = wait_for(done_.get(), POLLIN, cancel_);
    if (wake.ok() && wake.value() == Wake::cancelled) (void)::shutdown(line_.get(), SHUT_RDWR);
  }

 private:
  const UniqueFd& line_;
  const Cancel& cancel_;
  UniqueFd done_;
  Thread thread_;  // last member: joined before the others go
};

// Everything but the call itself. Nothing when the options are ready.
std::optional<LibcriuOutcome> prepare(const LibcriuCall& call, const Library& library, Opts* opts) noexcept {
  const auto notify = library.find<void (*)(Opts*, Notify)>("criu_local_set_notify_cb");
  const auto connect = library.find<void*>("criu_local_set_service_fd");
  if (opts == nullptr || notify == nullptr || connect == nullptr || library.find<void*>(call.symbol.c_str()) == nullptr)
    return LibcriuOutcome{LibcriuEnd::no_symbol, 0, 0, call.symbol, {}};
  for (const auto& setter : call.setters) {
    const auto function = library.find<void*>(setter.symbol.c_str());
    if (function == nullptr) return LibcriuOutcome{LibcriuEnd::no_symbol, 0, 0, setter.symbol, {}};
    const int value = set(function, setter, opts);
    if (value < 0) return LibcriuOutcome{LibcriuEnd::setter_failed, value, 0, setter.symbol, {}};
  }
  notify(opts, on_notify);
  return std::nullopt;
}

LibcriuOutcome converse(const LibcriuCall& call, const Library& library, Opts* opts, int service) noexcept {
  library.find<void (*)(Opts*, int)>("criu_local_set_service_fd")(opts, service);
  LibcriuOutcome outcome;
  outcome.features = call.features;
  const auto function = library.find<void*>(call.symbol.c_str());
  errno = 0;
  outcome.value = outcome.features.empty() ? reinterpret_cast<int (*)(Opts*)>(function)(opts)
                                           : check_features(function, opts, outcome.features);
  outcome.error = errno;
  return outcome;
}

}  // namespace

Result<LibcriuOutcome> call_libcriu(const LibcriuCall& call, const UniqueFd& service, const UniqueFd& channel,
                                    const Cancel& cancel) noexcept {
  const InUse use;
  if (!use.mine()) return LibcriuOutcome{LibcriuEnd::busy, 0, 0, call.symbol, {}};
  const Library library(call.library.c_str());
  if (!library.open()) return LibcriuOutcome{LibcriuEnd::no_library, 0, 0, ::dlerror(), {}};
  const Conversation mine{library, channel, cancel};
  conversation = &mine;
  const Options options(library);
  if (auto unready = prepare(call, library, options.get())) return *unready;
  Scissors scissors(service, cancel);
  const auto held = Scissors::hold(scissors);
  if (!held.ok()) return held.error();
  // libcriu closes the fd it was given once it has the answer.
  const int lent = ::fcntl(service.get(), F_DUPFD_CLOEXEC, 0);
  if (lent == -1) return SysError{errno, "fcntl"};
  return converse(call, library, options.get(), lent);
}

}  // namespace frazil
