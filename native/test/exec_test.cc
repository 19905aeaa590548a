// Becoming another program, in a child of the test; and what an attempt leaves that failed.

#include "sys/exec.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "sys/pipe.h"
#include "test/tests.h"

namespace frazil {
namespace {

ExecOptions shell(const char* line) {
  ExecOptions options;
  options.file = "/bin/sh";
  options.argv = {"sh", "-c", line};
  options.env = {"PATH=/usr/bin:/bin"};
  return options;
}

// As Node is at such a moment: SIGPIPE ignored, and let every signal be blocked.
class LikeNode {
 public:
  LikeNode() noexcept : old_(::signal(SIGPIPE, SIG_IGN)) {
    sigset_t all;
    (void)::sigfillset(&all);
    (void)::pthread_sigmask(SIG_SETMASK, &all, &mask_);
  }
  ~LikeNode() {
    (void)::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    (void)::signal(SIGPIPE, old_);
  }
  LikeNode(const LikeNode&) = delete;
  LikeNode& operator=(const LikeNode&) = delete;

 private:
  sighandler_t old_;
  sigset_t mask_;
};

// What the program prints to its fd 1.
std::string output_of(const ExecOptions& options) {
  Pipe out = open_pipe(0).value();
  const LikeNode ignoring;
  const pid_t pid = ::fork();
  if (pid == 0) {
    (void)::dup3(out.write.get(), 1, O_CLOEXEC);
    ::_exit(exec_program(options).number);
  }
  out.write.reset();
  std::string text;
  char block[512];
  for (ssize_t n; (n = ::read(out.read.get(), block, sizeof block)) > 0;) text.append(block, static_cast<size_t>(n));
  (void)::waitpid(pid, nullptr, 0);
  return text;
}

void test_success(Tests& tests) {
  tests.run("a program ignores and blocks no signal, whatever we did", [&] {
    const std::string text = output_of(shell("grep -E 'Sig(Blk|Ign)' /proc/self/status"));
    tests.expect(text == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  });
  tests.run("a program has the fds it shall keep, and the limit it shall have", [&] {
    const Pipe kept = open_pipe(0).value();
    const std::string number = std::to_string(kept.read.get());
    const std::string line = "readlink /proc/self/fd/" + number + " >/dev/null && echo kept; ulimit -Sn";
    ExecOptions options = shell(line.c_str());
    options.open_files = 77;
    tests.expect(output_of(options) == "77\n");
    options.keep = {kept.read.get(), 1 << 20};
    tests.expect(output_of(options) == "kept\n77\n");
  });
}

void test_failure(Tests& tests) {
  tests.run("an attempt that fails says why and leaves everything as it was", [&] {
    const Pipe pipe = open_pipe(0).value();
    const LikeNode ignoring;
    rlimit before;
    (void)::getrlimit(RLIMIT_NOFILE, &before);
    ExecOptions options = shell("");
    options.file = "/nowhere/criu";
    options.keep = {pipe.read.get()};
    options.open_files = before.rlim_cur - 1;
    const SysError error = exec_program(options);
    tests.expect(error.number == ENOENT && std::string(error.op) == "execve");
    tests.expect(::fcntl(pipe.read.get(), F_GETFD) == FD_CLOEXEC);
    rlimit after;
    (void)::getrlimit(RLIMIT_NOFILE, &after);
    tests.expect(after.rlim_cur == before.rlim_cur);
    sigset_t mask;
    (void)::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    tests.expect(::sigismember(&mask, SIGTERM) == 1);
    tests.expect(::signal(SIGPIPE, SIG_IGN) == SIG_IGN);
  });
}

}  // namespace

void test_exec(Tests& tests) {
  test_success(tests);
  test_failure(tests);
}

}  // namespace frazil
