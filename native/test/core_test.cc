#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstring>
#include <memory>

#include "core/cancel.h"
#include "core/thread.h"
#include "core/unique_fd.h"
#include "sys/memfd.h"
#include "sys/pipe.h"
#include "sys/thread_slice.h"
#include "sys/wait_for.h"
#include "test/tests.h"

namespace frazil {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

// As in sched_setattr(2), whose header cannot stand beside <sched.h>.
struct Turns {
  uint32_t size = 0, policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t ns = 0;
  uint64_t others[4] = {};
};

Turns turns_of_this_thread() {
  Turns turns;
  (void)::syscall(SYS_sched_getattr, 0, &turns, sizeof turns, 0);
  return turns;
}

struct ShortTurns {
  Turns seen;
  void operator()() noexcept {
    (void)::setpriority(PRIO_PROCESS, 0, 7);
    take_short_turns(200'000);
    seen = turns_of_this_thread();
  }
};

void test_turns(Tests& tests) {
  const uint64_t usual = turns_of_this_thread().ns;
  if (usual == 0) return tests.skip("short turns", "the kernel has none (before Linux 6.12)");
  tests.run("short turns are of one thread, and change nothing else of it", [&] {
    ShortTurns body;
    Thread::spawn("short", body).value().join();
    tests.expect(body.seen.ns == 200'000 && body.seen.nice == 7 && body.seen.policy == 0);
    tests.expect(turns_of_this_thread().ns == usual);
  });
}

void test_unique_fd(Tests& tests) {
  tests.run("UniqueFd closes once, at the end of its last owner", [&] {
    UniqueFd first = open_memfd("a").value();
    const int number = first.get();
    UniqueFd second = std::move(first);
    tests.expect(!first && second.get() == number);  // NOLINT(bugprone-use-after-move): that is what is tested
    UniqueFd& same = second;
    second = std::move(same);
    tests.expect(is_open(number));
    second.reset();
    tests.expect(!is_open(number) && !second);
  });
  tests.run("UniqueFd assignment closes what it held", [&] {
    UniqueFd held = open_memfd("a").value();
    const int number = held.get();
    held = open_memfd("b").value();
    tests.expect(!is_open(number) && is_open(held.get()));
  });
  tests.run("release() leaves the fd open", [&] {
    UniqueFd held = open_memfd("a").value();
    const UniqueFd again(held.release());
    tests.expect(!held && is_open(again.get()));
  });
}

void test_result(Tests& tests) {
  tests.run("Result holds a value that can only be moved, or an error", [&] {
    Result<std::unique_ptr<int>> good = std::make_unique<int>(3);
    const std::unique_ptr<int> taken = std::move(good).value();
    tests.expect(*taken == 3);
    const Result<std::unique_ptr<int>> bad = SysError{EPIPE, "splice"};
    tests.expect(!bad.ok() && bad.error().number == EPIPE && std::strcmp(bad.error().op, "splice") == 0);
    const Result<void> nothing;
    tests.expect(nothing.ok());
  });
}

void test_wait(Tests& tests) {
  tests.run("wait_for() is ended by a cancel from another thread", [&] {
    Cancel cancel = Cancel::open().value();
    const Pipe pipe = open_pipe(0).value();
    auto body = [&]() noexcept { cancel.signal(); };
    Thread thread = Thread::spawn("canceller", body).value();
    const auto wake = wait_for(pipe.read.get(), POLLIN, cancel);
    thread.join();
    tests.expect(wake.ok() && wake.value() == Wake::cancelled && cancel.cancelled());
  });
  tests.run("wait_for() prefers cancelled to ready, and says ready on hang-up", [&] {
    Cancel cancel = Cancel::open().value();
    Pipe pipe = open_pipe(0).value();
    pipe.write.reset();
    tests.expect(wait_for(pipe.read.get(), POLLIN, cancel).value() == Wake::ready);
    cancel.signal();
    cancel.signal();
    tests.expect(wait_for(pipe.read.get(), POLLIN, cancel).value() == Wake::cancelled);
  });
  tests.run("wait_for() refuses a number that is not open", [&] {
    const Cancel cancel = Cancel::open().value();
    const auto wake = wait_for(1 << 20, POLLIN, cancel);
    tests.expect(!wake.ok() && wake.error().number == EBADF);
  });
}

void test_thread(Tests& tests) {
  tests.run("Thread blocks every signal on it and none on us", [&] {
    sigset_t there;
    (void)::sigemptyset(&there);
    auto body = [&]() noexcept { (void)::pthread_sigmask(SIG_SETMASK, nullptr, &there); };
    {
      const Thread joined_at_the_brace = Thread::spawn("masked", body).value();
      tests.expect(joined_at_the_brace.joinable());
    }
    sigset_t here;
    (void)::pthread_sigmask(SIG_SETMASK, nullptr, &here);
    for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGPIPE}) {
      tests.expect(::sigismember(&there, signal) == 1 && ::sigismember(&here, signal) == 0);
    }
  });
}

// In a child of its own: limits apply to a whole user, and not to root.
[[maybe_unused]] int spawn_over_the_limit() noexcept {
  const rlimit none{1, 1};
  if (::setresuid(65534, 65534, 65534) != 0 || ::setrlimit(RLIMIT_NPROC, &none) != 0) return 2;
  auto body = []() noexcept {};
  const auto thread = Thread::spawn("one-too-many", body);
  return !thread.ok() && thread.error().number == EAGAIN ? 0 : 1;
}

void test_thread_limit(Tests& tests) {
  const char* title = "Thread says EAGAIN when the user may have no more of them";
#if defined(__SANITIZE_THREAD__)
  tests.skip(title, "TSan refuses threads after fork");
#else
  if (::geteuid() != 0) return tests.skip(title, "needs root, to become another user");
  tests.run(title, [&] {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(spawn_over_the_limit());
    int status = 0;
    tests.expect(::waitpid(child, &status, 0) == child && status == 0);
  });
#endif
}

}  // namespace

void test_core(Tests& tests) {
  test_turns(tests);
  test_unique_fd(tests);
  test_result(tests);
  test_wait(tests);
  test_thread(tests);
  test_thread_limit(tests);
}

}  // namespace frazil
