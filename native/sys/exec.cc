// What Node has changed about itself since it was exec'ed is taken back before another program takes its place, because all of it
// outlives execve(2): ignored signals (caught ones become the default by themselves), the mask, the flags of the standard
// fds, close-on-exec on what was inherited, the soft limit of open files.
//
// Each is a small owner that puts back what it found unless the program has started: after a failed exec the caller goes on, with
// SIGPIPE still ignored and its fds still its own.

#include "sys/exec.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "sys/c_strings.h"

namespace frazil {
namespace {

constexpr int kStdio = 3;
// Node's own start looks at those below (kMaxSignal of its node.cc).
constexpr int kFirstRealTime = 32;

class DefaultSignals {
 public:
  DefaultSignals() noexcept {
    for (int number = 1; number < kFirstRealTime; ++number) {
      struct sigaction found{};
      if (::sigaction(number, nullptr, &found) == -1) continue;
      const bool ignored = (found.sa_flags & SA_SIGINFO) == 0 && found.sa_handler == SIG_IGN;
      if (!ignored) continue;
      struct sigaction standard{};
      standard.sa_handler = SIG_DFL;
      if (::sigaction(number, &standard, nullptr) == 0) found_.push_back({number, found});
    }
    sigset_t none;
    (void)::sigemptyset(&none);
    (void)::pthread_sigmask(SIG_SETMASK, &none, &mask_);
  }
  ~DefaultSignals() {
    (void)::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    for (const Found& one : found_) (void)::sigaction(one.number, &one.action, nullptr);
  }
  DefaultSignals(const DefaultSignals&) = delete;
  DefaultSignals& operator=(const DefaultSignals&) = delete;

 private:
  struct Found {
    int number;
    struct sigaction action;
  };
  std::vector<Found> found_;
  sigset_t mask_;
};

// One flag word of an fd: `get` and `set` are F_GETFD and F_SETFD, or F_GETFL and F_SETFL.
class FdFlags {
 public:
  FdFlags(int get, int set) noexcept : get_(get), set_(set) {}
  ~FdFlags() {
    for (const Found& one : found_) (void)::fcntl(one.fd, set_, one.flags);
  }
  FdFlags(const FdFlags&) = delete;
  FdFlags& operator=(const FdFlags&) = delete;

  // An fd that is not open has no flags: the program will say so in its own words.
  void change(int fd, int flag, bool on) noexcept {
    const int flags = ::fcntl(fd, get_);
    const int wanted = on ? flags | flag : flags & ~flag;
    if (flags == -1 || flags == wanted) return;
    if (::fcntl(fd, set_, wanted) == 0) found_.push_back({fd, flags});
  }

 private:
  struct Found {
    int fd;
    int flags;
  };
  int get_;
  int set_;
  std::vector<Found> found_;
};

class SoftLimit {
 public:
  explicit SoftLimit(std::optional<uint64_t> open_files) noexcept {
    if (!open_files || ::getrlimit(RLIMIT_NOFILE, &found_) == -1) return;
    const rlimit wanted{std::min<rlim_t>(*open_files, found_.rlim_max), found_.rlim_max};
    changed_ = ::setrlimit(RLIMIT_NOFILE, &wanted) == 0;
  }
  ~SoftLimit() {
    if (changed_) (void)::setrlimit(RLIMIT_NOFILE, &found_);
  }
  SoftLimit(const SoftLimit&) = delete;
  SoftLimit& operator=(const SoftLimit&) = delete;

 private:
  rlimit found_{};
  bool changed_ = false;
};

bool holds(const std::vector<int>& numbers, int number) noexcept {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

}  // namespace

SysError exec_program(const ExecOptions& options) noexcept {
  const auto argv = c_strings(options.argv);
  const auto env = c_strings(options.env);
  FdFlags inherited(F_GETFD, F_SETFD);
  FdFlags blocking(F_GETFL, F_SETFL);
  for (int fd = 0; fd < kStdio; ++fd) {
    inherited.change(fd, FD_CLOEXEC, false);
    blocking.change(fd, O_NONBLOCK, holds(options.nonblocking, fd));
  }
  for (const int fd : options.keep) inherited.change(fd, FD_CLOEXEC, false);
  const SoftLimit limit(options.open_files);
  const DefaultSignals signals;
  (void)::execve(options.file.c_str(), argv.data(), env.data());
  return {errno, "execve"};
}

}  // namespace frazil
