// frazil-cell: a pid namespace with a /proc of its own, and in it CRIU, restoring one copy of a checkpoint. docs/design/lazy-restore.md.
//
//   frazil-cell CONTROL CRIU [OPTION]     CONTROL: number of Frazil's end of the conversation, a SEQPACKET socket
//
// Two processes. The outer one is Frazil's child and ends as the root task of the copy ends, with its status or by its signal, when all of the
// namespace is gone; SIGTERM asks it to end everything. The inner
// one is pid 1 of the namespace: it makes the socket that CRIU talks on, because CRIU opens "fd numbers" through /proc/<maker of the socket>/fd, and
// Frazil has no pid in there; passes messages on; becomes the parent of the root task (rst_sibling); and reaps. When it ends, the kernel
// ends whatever is left in the namespace. It dies with the outer one.

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "core/cancel.h"
#include "sys/retry.h"
#include "sys/seqpacket.h"
#include "sys/socket_pair.h"
#include "sys/spawn.h"

namespace frazil {
namespace {

constexpr int kCriuControl = 3;

[[noreturn]] void fail(const char* what) noexcept {
  std::fprintf(stderr, "Error (frazil): cannot %s: %s\n", what, std::strerror(errno));
  ::_exit(EXIT_FAILURE);
}

sigset_t set_of(std::initializer_list<int> numbers) noexcept {
  sigset_t signals;
  (void)::sigemptyset(&signals);
  for (const int number : numbers) (void)::sigaddset(&signals, number);
  return signals;
}

class Cell {
 public:
  Cell(UniqueFd frazil, UniqueFd criu, pid_t criu_pid, int* status) noexcept
      : frazil_(std::move(frazil)), criu_(std::move(criu)), criu_pid_(criu_pid), status_(status) {}

  [[noreturn]] void run() noexcept {
    const sigset_t signals = set_of({SIGCHLD});
    ended_ = UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    auto never = Cancel::open();
    if (!ended_ || !never.ok()) fail("wait for children");
    for (;;) {
      pollfd waits[] = {{frazil_.get(), POLLIN, 0}, {criu_.get(), POLLIN, 0}, {ended_.get(), POLLIN, 0}};
      if (retry_eintr([&] { return ::poll(waits, 3, -1); }) == -1) fail("poll");
      if (waits[1].revents != 0) pass(criu_, frazil_, never.value());
      if (waits[0].revents != 0) pass(frazil_, criu_, never.value());
      if (waits[2].revents != 0) {
        signalfd_siginfo ignored;
        (void)!::read(ended_.get(), &ignored, sizeof ignored);
        reap(never.value());
      }
    }
  }

 private:
  // One message; after a hang-up there are no more from there.
  void pass(UniqueFd& from, const UniqueFd& to, const Cancel& never) noexcept {
    auto message = receive_message(from.get(), never);
    if (!message.ok() || !message.value()) return from.reset();
    std::vector<int> fds;
    for (const UniqueFd& fd : message.value()->fds) fds.push_back(fd.get());
    // Who does not hear any more has hung up: that is found out by itself.
    if (to) (void)send_message(to.get(), message.value()->bytes, fds);
  }

  void reap(const Cancel& never) noexcept {
    for (;;) {
      int status = 0;
      const pid_t pid = retry_eintr([&] { return ::waitpid(-1, &status, WNOHANG); });
      if (pid <= 0) return;
      if (pid == criu_pid_) {
        criu_ended(status, never);
      } else if (root_ == 0 || pid == root_) {
        // Before CRIU has ended nobody but the root can have become our child, but for its own orphans.
        early_ = root_ == 0;
        *status_ = status;
        if (!early_) finish();
      }
    }
  }

  // What it has said last may still be in its socket.
  void criu_ended(int status, const Cancel& never) noexcept {
    for (pollfd wait{criu_.get(), POLLIN, 0}; criu_ && ::poll(&wait, 1, 0) == 1;) pass(criu_, frazil_, never);
    criu_.reset();
    frazil_.reset();
    root_ = first_child();
    if (root_ != 0 && status == 0) return let_go();
    if (!early_) *status_ = status == 0 ? EXIT_FAILURE << 8 : status;
    finish();
  }

  // The images and what else CRIU was given: a copy may live for long.
  void let_go() const noexcept {
    const auto kept = static_cast<unsigned>(ended_.get());
    if (kept > STDERR_FILENO + 1) (void)::close_range(STDERR_FILENO + 1, kept - 1, 0);
    (void)::close_range(kept + 1, ~0U, 0);
  }

  static pid_t first_child() noexcept {
    char text[32]{};
    const UniqueFd file(::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC));
    if (!file || ::read(file.get(), text, sizeof text - 1) <= 0) return 0;
    return std::atoi(text);
  }

  [[noreturn]] void finish() noexcept { ::_exit(EXIT_SUCCESS); }

  UniqueFd frazil_;
  UniqueFd criu_;
  UniqueFd ended_;
  pid_t criu_pid_;
  pid_t root_ = 0;
  bool early_ = false;
  int* status_;
};

// pid 1.
[[noreturn]] void be_init(int control, char** criu, int* status) noexcept {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  (void)::setsid();
  // What is mounted here later is nobody else's; what others mount is seen here.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == -1) fail("detach the mounts");
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == -1) fail("mount /proc");
  auto pair = seqpacket_pair();
  if (!pair.ok()) fail("make a socket");
  SpawnOptions options;
  options.file = criu[0];
  options.argv = {"criu"};
  for (char** more = criu + 1; *more != nullptr; ++more) options.argv.emplace_back(*more);
  options.argv.insert(options.argv.end(), {"swrk", std::to_string(kCriuControl)});
  options.fds = {{STDOUT_FILENO, STDOUT_FILENO},
                 {STDERR_FILENO, STDERR_FILENO},
                 {pair.value().second.get(), kCriuControl}};
  const auto child = spawn_child(options);
  if (!child.ok()) {
    errno = child.error().number;
    fail("start criu");
  }
  pair.value().second.reset();
  Cell(UniqueFd(control), std::move(pair.value().first), child.value().pid, status).run();
}

// Until pid 1 has ended, and with it everything in its namespace: the kernel sees to that first.
int wait_for(pid_t init, const sigset_t& signals) noexcept {
  for (int status = 0;;) {
    if (retry_eintr([&] { return ::waitpid(init, &status, WNOHANG); }) == init) return status;
    int number = 0;
    if (::sigwait(&signals, &number) == 0 && number == SIGTERM) (void)::kill(init, SIGKILL);
  }
}

// Ends as the root task has ended.
[[noreturn]] void end_as(int status) noexcept {
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
  const sigset_t none_blocked = set_of({});
  (void)::sigprocmask(SIG_SETMASK, &none_blocked, nullptr);
  const rlimit none{0, 0};
  (void)::setrlimit(RLIMIT_CORE, &none);
  (void)::signal(WTERMSIG(status), SIG_DFL);
  (void)::raise(WTERMSIG(status));
  ::_exit(EXIT_FAILURE);
}

}  // namespace
}  // namespace frazil

int main(int argc, char** argv) {
  using namespace frazil;
  int control = -1;
  if (argc < 3) return 2;
  const std::string_view number(argv[1]);
  (void)std::from_chars(number.data(), number.data() + number.size(), control);
  auto* status = static_cast<int*>(
      ::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (status == MAP_FAILED) fail("map memory");
  // When pid 1 is killed there is no other word of how.
  *status = SIGKILL;
  const sigset_t signals = set_of({SIGCHLD, SIGTERM});
  (void)::sigprocmask(SIG_BLOCK, &signals, nullptr);
  if (::unshare(CLONE_NEWPID | CLONE_NEWNS) == -1) fail("make a pid namespace");
  const pid_t init = ::fork();
  if (init == -1) fail("fork");
  if (init == 0) be_init(control, argv + 2, status);
  // Hang-ups are heard only when nobody else holds the sockets.
  (void)::close_range(STDERR_FILENO + 1, ~0U, 0);
  (void)::prctl(PR_SET_NAME, "frazil-cell");
  const int ended = wait_for(init, signals);
  const bool by_itself = WIFEXITED(ended) && WEXITSTATUS(ended) == EXIT_SUCCESS;
  end_as(by_itself || WIFSIGNALED(ended) ? *status : ended);
}
