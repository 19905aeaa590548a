#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "core/thread.h"
#include "sys/child_watch.h"
#include "sys/memfd.h"
#include "sys/pidfd.h"
#include "sys/pipe.h"
#include "sys/seqpacket.h"
#include "sys/socket_pair.h"
#include "sys/spawn.h"
#include "test/tests.h"

namespace frazil {
namespace {

SpawnOptions shell(const char* script, std::vector<InheritedFd> fds = {}) {
  std::vector<std::string> env = {"PATH=/usr/bin:/bin", "GREETING=hello"};
  return {"/bin/sh", {"sh", "-c", script}, std::move(env), {}, std::move(fds), {}, false};
}

ExitStatus end_of(const Child& child) {
  const Cancel cancel = Cancel::open().value();
  return wait_child(child.pidfd.get(), cancel).value();
}

int exit_code(const Child& child) {
  const ExitStatus end = end_of(child);
  const auto* exited = std::get_if<Exited>(&end);
  return exited == nullptr ? -1 : exited->code;
}

// What a script prints to its fd 1.
std::string output_of(const char* script, std::vector<InheritedFd> fds = {}, const char* cwd = "") {
  Pipe out = open_pipe(0).value();
  fds.push_back({out.write.get(), 1});
  SpawnOptions options = shell(script, std::move(fds));
  options.cwd = cwd;
  const Child child = spawn_child(options).value();
  out.write.reset();
  std::string text;
  char block[512];
  for (ssize_t n; (n = ::read(out.read.get(), block, sizeof block)) > 0;) text.append(block, static_cast<size_t>(n));
  (void)end_of(child);
  return text;
}

void test_ends(Tests& tests) {
  tests.run("wait_child() tells an exit code from a signal", [&] {
    tests.expect(exit_code(spawn_child(shell("exit 7")).value()) == 7);
    const Child killed = spawn_child(shell("kill -9 $$")).value();
    const ExitStatus end = end_of(killed);
    tests.expect(std::get_if<Signaled>(&end) != nullptr && std::get<Signaled>(end).signal == SIGKILL);
  });
  tests.run("a cancelled wait_child() leaves the child to be waited for again", [&] {
    Cancel cancel = Cancel::open().value();
    const Child child = spawn_child(shell("read -r line; exit 3")).value();
    cancel.signal();
    tests.expect(wait_child(child.pidfd.get(), cancel).error().number == ECANCELED);
    tests.expect(exit_code(child) == 3);
  });
  tests.run("wait_child() says ECHILD for what was reaped, and wait_exit() still answers", [&] {
    const Cancel cancel = Cancel::open().value();
    const Child child = spawn_child(shell("exit 0")).value();
    tests.expect(exit_code(child) == 0);
    tests.expect(wait_child(child.pidfd.get(), cancel).error().number == ECHILD);
    tests.expect(wait_exit(child.pidfd.get(), cancel).ok());
    tests.expect(send_signal(child.pidfd.get(), 0).error().number == ESRCH);
  });
  tests.run("open_pidfd() says ESRCH where there is no process",
            [&] { tests.expect(open_pidfd((1 << 22) - 1).error().number == ESRCH); });
}

void test_surroundings(Tests& tests) {
  tests.run("a child has the environment, directory and descriptors given, and no others", [&] {
    const UniqueFd stray(::dup(0));  // without CLOEXEC, as a careless library would leave it
    tests.expect(output_of("echo $GREETING; pwd", {}, "/usr") == "hello\n/usr\n");
    tests.expect(output_of("readlink /proc/self/fd/0; readlink /proc/self/fd/2") == "/dev/null\n/dev/null\n");
    tests.expect(output_of("ls /proc/$$/fd; :", {{stray.get(), 9}}) == "0\n1\n2\n9\n");
  });
  tests.run("descriptors may swap numbers or keep theirs", [&] {
    const UniqueFd a = open_memfd("is-a").value();
    const UniqueFd b = open_memfd("is-b").value();
    const int x = a.get();
    const int y = b.get();
    const std::string links = "readlink /proc/$$/fd/" + std::to_string(x) + " /proc/$$/fd/" + std::to_string(y);
    const std::string forth = "/memfd:is-a (deleted)\n/memfd:is-b (deleted)\n";
    const std::string crossed = "/memfd:is-b (deleted)\n/memfd:is-a (deleted)\n";
    tests.expect(output_of(links.c_str(), {{x, x}, {y, y}}) == forth);
    tests.expect(output_of(links.c_str(), {{x, y}, {y, x}}) == crossed);
  });
  tests.run("a child ignores and blocks no signal, whatever we do", [&] {
    const auto old = ::signal(SIGPIPE, SIG_IGN);
    sigset_t blocked;
    sigset_t before;
    (void)::sigfillset(&blocked);
    (void)::pthread_sigmask(SIG_SETMASK, &blocked, &before);
    const std::string text = output_of("grep -E 'Sig(Blk|Ign)' /proc/self/status");
    (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    (void)::signal(SIGPIPE, old);
    tests.expect(text == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  });
}

void test_refusals(Tests& tests) {
  tests.run("spawn_child() reports why, and leaves neither child nor descriptor", [&] {
    SpawnOptions absent = shell("");
    absent.file = "/nowhere/criu";
    tests.expect(spawn_child(absent).error().number == ENOENT);
    SpawnOptions nowhere = shell("");
    nowhere.cwd = "/nowhere";
    tests.expect(spawn_child(nowhere).error().number == ENOENT);
    tests.expect(spawn_child(shell("", {{1 << 20, 5}})).error().number == EBADF);
    tests.expect(spawn_child(shell("", {{0, 5}, {1, 5}})).error().number == EINVAL);
    tests.expect(spawn_child(shell("", {{0, kMaxChildFd + 1}})).error().number == EINVAL);
    tests.expect(::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD);
  });
  tests.run("a new process group is the child's own", [&] {
    SpawnOptions options = shell("read -r line");
    options.new_process_group = true;
    const Pipe held = open_pipe(0).value();
    options.fds = {{held.read.get(), 0}};
    const Child child = spawn_child(options).value();
    tests.expect(::getpgid(child.pid) == child.pid);
    tests.expect(send_signal(child.pidfd.get(), SIGTERM).ok());
    const ExitStatus end = end_of(child);
    tests.expect(std::get_if<Signaled>(&end) != nullptr);
  });
}

bool is(const Result<ChildWatch::Event>& outcome, ChildWatch::Event wanted) {
  return outcome.ok() && outcome.value() == wanted;
}

void test_watch(Tests& tests) {
  using Event = ChildWatch::Event;
  tests.run("ChildWatch tells of a message once for each arm(), early or late, and then of the end", [&] {
    const Cancel cancel = Cancel::open().value();
    SocketPair pair = seqpacket_pair().value();
    const Pipe held = open_pipe(0).value();
    const Child child = spawn_child(shell("read -r line", {{held.read.get(), 0}})).value();
    const ChildWatch watch = ChildWatch::open(child.pidfd.get()).value();
    const std::byte one{1};
    // Nobody armed: only the second message, sent while a thread sleeps, is told of.
    tests.expect(send_message(pair.first.get(), {&one, 1}, {}).ok());
    tests.expect(receive_soon(pair.second.get(), 0).value().has_value());
    auto outcome = Result<Event>(Event::ended);
    auto sleeper = [&]() noexcept { outcome = watch.wait(cancel); };
    Thread thread = Thread::spawn("sleeper", sleeper).value();
    tests.expect(watch.arm(pair.second.get()).ok());
    tests.expect(send_message(pair.first.get(), {&one, 1}, {}).ok());
    thread.join();
    tests.expect(is(outcome, Event::readable));
    // Armed when it is there already.
    tests.expect(watch.arm(pair.second.get()).ok());
    tests.expect(is(watch.wait(cancel), Event::readable));
    tests.expect(receive_soon(pair.second.get(), 0).value().has_value());
    // The peer's end counts, and a socket that we closed does not.
    tests.expect(watch.arm(pair.second.get()).ok());
    pair.first.reset();
    tests.expect(is(watch.wait(cancel), Event::readable));
    tests.expect(watch.arm(pair.second.get()).ok());
    pair.second.reset();
    tests.expect(send_signal(child.pidfd.get(), SIGTERM).ok());
    tests.expect(is(watch.wait(cancel), Event::ended));
    (void)end_of(child);
  });
  tests.run("ChildWatch is cancelled, and refuses what is not a socket's number", [&] {
    Cancel cancel = Cancel::open().value();
    const Child child = spawn_child(shell("exec sleep 1000")).value();
    const ChildWatch watch = ChildWatch::open(child.pidfd.get()).value();
    tests.expect(watch.arm(kMaxChildFd).error().number == EBADF);
    cancel.signal();
    tests.expect(watch.wait(cancel).error().number == ECANCELED);
    tests.expect(send_signal(child.pidfd.get(), SIGKILL).ok());
    (void)end_of(child);
  });
  tests.run("a child without an environment of its own gets ours", [&] {
    (void)::setenv("FRAZIL_TEST_GREETING", "ours", 1);
    SpawnOptions options = shell("test \"$FRAZIL_TEST_GREETING\" = ours && test -z \"$GREETING\"");
    options.env.reset();
    tests.expect(exit_code(spawn_child(options).value()) == 0);
    (void)::unsetenv("FRAZIL_TEST_GREETING");
  });
}

}  // namespace

void test_processes(Tests& tests) {
  test_ends(tests);
  test_surroundings(tests);
  test_refusals(tests);
  test_watch(tests);
}

}  // namespace frazil
