// posix_spawn(), because it neither copies Node's page tables (fork() of a process with a large heap takes
// milliseconds and doubles its committed memory) nor lets our code run in the child between vfork() and exec(), where
// almost nothing is safe. Rejected: libuv's uv_spawn(), which reaps the child itself and cannot place fds at numbers;
// clone3(CLONE_PIDFD), which saves one system call and needs all of what posix_spawn() does written again.
//
// The one thing it lacks is a pidfd before glibc 2.39; the child stays unreaped until we have opened ours.

#include "sys/spawn.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "sys/c_strings.h"
#include "sys/pidfd.h"
#include "sys/retry.h"

namespace frazil {
namespace {

constexpr int kStdio = 3;

// posix_spawn's file actions run in order, each a system call in the child.
class FileActions {
 public:
  FileActions() noexcept { note("posix_spawn_file_actions_init", ::posix_spawn_file_actions_init(&raw_)); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&raw_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  void dup2(int from, int to) noexcept { note("dup2", ::posix_spawn_file_actions_adddup2(&raw_, from, to)); }
  void close(int fd) noexcept { note("close", ::posix_spawn_file_actions_addclose(&raw_, fd)); }
  void chdir(const char* path) noexcept { note("chdir", ::posix_spawn_file_actions_addchdir_np(&raw_, path)); }
  void open_null(int fd) noexcept {
    note("open", ::posix_spawn_file_actions_addopen(&raw_, fd, "/dev/null", O_RDWR, 0));
  }
  void close_from(int fd) noexcept {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    note("close_range", ::posix_spawn_file_actions_addclosefrom_np(&raw_, fd));
#else
    (void)fd;  // CLOEXEC, which everything in Node and in this addon has, does it alone
#endif
  }

  const posix_spawn_file_actions_t* raw() const noexcept { return &raw_; }
  // The first action that could not be recorded, if any.
  Result<void> state() const noexcept { return state_; }

 private:
  void note(const char* op, int failure) noexcept {
    if (failure != 0 && state_.ok()) state_ = SysError{failure, op};
  }

  posix_spawn_file_actions_t raw_;
  Result<void> state_;
};

bool is_target(const std::vector<InheritedFd>& fds, int number) noexcept {
  return std::any_of(fds.begin(), fds.end(), [&](const InheritedFd& one) { return one.as == number; });
}

Result<void> check_targets(const std::vector<InheritedFd>& fds) noexcept {
  for (const InheritedFd& one : fds) {
    const auto same = [&](const InheritedFd& other) { return other.as == one.as; };
    const bool twice = std::count_if(fds.begin(), fds.end(), same) > 1;
    if (one.as < 0 || one.as > kMaxChildFd || twice) return SysError{EINVAL, "dup2"};
  }
  return {};
}

// A source whose number is also a target would be overwritten before its turn, or, being its own target, would keep its
// CLOEXEC: such sources are lifted above every target first. The lifted duplicates live until the child has exec'ed.
Result<std::vector<UniqueFd>> lift_sources(std::vector<InheritedFd>& fds) noexcept {
  std::vector<UniqueFd> lifted;
  const std::vector<InheritedFd> wanted = fds;
  for (InheritedFd& one : fds) {
    if (!is_target(wanted, one.fd)) continue;
    UniqueFd high(::fcntl(one.fd, F_DUPFD_CLOEXEC, kMaxChildFd + 1));
    // A low RLIMIT_NOFILE leaves no room there (EINVAL). Any other free number that is not a target serves as well.
    for (int from = kStdio; !high && errno == EINVAL && from <= kMaxChildFd; ++from) {
      UniqueFd next(::fcntl(one.fd, F_DUPFD_CLOEXEC, from));
      if (!next) break;
      from = next.get();
      if (!is_target(wanted, next.get())) high = std::move(next);
    }
    if (!high) return SysError{errno, "fcntl"};
    one.fd = high.get();
    lifted.push_back(std::move(high));
  }
  return lifted;
}

void arrange_fds(FileActions& actions, const std::vector<InheritedFd>& fds) noexcept {
  for (const InheritedFd& one : fds) actions.dup2(one.fd, one.as);
  int last = kStdio - 1;
  for (const InheritedFd& one : fds) last = std::max(last, one.as);
  for (int fd = 0; fd <= last; ++fd) {
    if (is_target(fds, fd)) continue;
    if (fd < kStdio) {
      actions.open_null(fd);
    } else {
      actions.close(fd);
    }
  }
  actions.close_from(last + 1);
}

int set_attributes(posix_spawnattr_t& attributes, bool new_process_group) noexcept {
  sigset_t all;
  sigset_t none;
  // Not sigfillset(): it leaves out 32 and 33, which glibc keeps for threads, and its posix_spawn() then ignores them.
  std::memset(&all, 0xff, sizeof all);
  (void)::sigemptyset(&none);
  int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  if (new_process_group) flags |= POSIX_SPAWN_SETPGROUP;  // with the group 0, the default: its own
  if (const int failure = ::posix_spawnattr_setsigdefault(&attributes, &all); failure != 0) return failure;
  if (const int failure = ::posix_spawnattr_setsigmask(&attributes, &none); failure != 0) return failure;
  return ::posix_spawnattr_setflags(&attributes, static_cast<short>(flags));
}

std::vector<char*> environment_of(const SpawnOptions& options) noexcept {
  std::vector<char*> env = c_strings(options.more_env);
  env.pop_back();
  if (options.env) {
    const std::vector<char*> given = c_strings(*options.env);
    env.insert(env.end(), given.begin(), given.end());
    return env;
  }
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) env.push_back(*one);
  env.push_back(nullptr);
  return env;
}

Result<pid_t> exec_child(const SpawnOptions& options, const FileActions& actions) noexcept {
  posix_spawnattr_t attributes;
  if (const int failure = ::posix_spawnattr_init(&attributes); failure != 0) {
    return SysError{failure, "posix_spawnattr_init"};
  }
  pid_t pid = 0;
  int failure = set_attributes(attributes, options.new_process_group);
  if (failure == 0) {
    const std::vector<char*> env = environment_of(options);
    failure = ::posix_spawn(&pid, options.file.c_str(), actions.raw(), &attributes, c_strings(options.argv).data(),
                            env.data());
  }
  ::posix_spawnattr_destroy(&attributes);
  if (failure != 0) return SysError{failure, "posix_spawn"};
  return pid;
}

// The child cannot be given to the caller, so nobody could wait for it: it goes.
void discard(pid_t pid) noexcept {
  (void)::kill(pid, SIGKILL);
  (void)retry_eintr([&] { return ::waitpid(pid, nullptr, 0); });
}

}  // namespace

Result<Child> spawn_child(const SpawnOptions& options) noexcept {
  std::vector<InheritedFd> fds = options.fds;
  const auto distinct = check_targets(fds);
  if (!distinct.ok()) return distinct.error();
  const auto lifted = lift_sources(fds);
  if (!lifted.ok()) return lifted.error();
  FileActions actions;
  arrange_fds(actions, fds);
  if (!options.cwd.empty()) actions.chdir(options.cwd.c_str());
  if (!actions.state().ok()) return actions.state().error();
  const auto pid = exec_child(options, actions);
  if (!pid.ok()) return pid.error();
  // Not reaped yet, so the number cannot have been reused.
  auto pidfd = open_pidfd(pid.value());
  if (!pidfd.ok()) {
    discard(pid.value());
    return pidfd.error();
  }
  return Child{pid.value(), std::move(pidfd).value()};
}

}  // namespace frazil
