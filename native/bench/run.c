// Runs one command and says what it cost: `run [--sync DIR] -- COMMAND...`, one JSON object on fd 3.
//
// A parent of its own, and not Node's child_process, for three reasons: it forks from a small process, so that the cost of forking
// Node is not in anybody's figures; it is the subreaper, so that CPU time of a daemonised grandchild is counted as well; and it
// can look at memory while the command runs without an event loop in between.
//
//   wall        from before the fork to the exit of COMMAND
//   user,system of COMMAND and of all descendants that have ended (getrusage of children)
//   peak        largest VmHWM of COMMAND itself; children: largest VmHWM of a descendant that runs another program (CRIU
//               under Frazil); both sampled, see below
//   largest     ru_maxrss: the largest of all of them, exact, also when COMMAND was too short for a sample
//   host        how far MemAvailable fell: memory that the command took in any form, also memfd and tmpfs
//   sync        how long syncfs of DIR's file system took after COMMAND had ended: what it left in the page cache
//   left        descendants still running at that moment
//   began       CLOCK_REALTIME before the fork, for those who measure to a moment of their own
//
// VmHWM only grows, so a sample misses at most the growth of the last interval. 20 ms keep the sampling below 1 % of one core.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kSampleMs = 20, kReport = 3, kText = 4096, kMaxDepth = 16 };

struct Cost {
  long peak_kb, children_kb, available_kb, lowest_kb, left;
};

static pid_t command_pid;
static volatile sig_atomic_t stopping;

static void die(const char *what) {
  fprintf(stderr, "run: %s: %s\n", what, strerror(errno));
  exit(125);
}

static int64_t clock_us(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int read_text(const char *path, char *text) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd == -1) return 0;
  const ssize_t n = read(fd, text, kText - 1);
  close(fd);
  text[n > 0 ? n : 0] = '\0';
  return n > 0;
}

static int64_t now_us(void) { return clock_us(CLOCK_MONOTONIC); }

// -1: the process has gone.
static long field_kb(const char *path, const char *field) {
  char text[kText];
  if (!read_text(path, text)) return -1;
  const char *at = strstr(text, field);
  return at == NULL ? -1 : strtol(at + strlen(field), NULL, 10);
}

static long peak_of(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  return field_kb(path, "VmHWM:");
}

// A child between fork and exec is its parent's copy, and its peak the parent's.
static int is_copy_of_command(pid_t pid) {
  char path[64], ours[kText], theirs[kText];
  snprintf(path, sizeof path, "/proc/%d/exe", (int)command_pid);
  const ssize_t our_length = readlink(path, ours, sizeof ours);
  snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
  const ssize_t their_length = readlink(path, theirs, sizeof theirs);
  return our_length < 0 || (our_length == their_length && memcmp(ours, theirs, (size_t)our_length) == 0);
}

// Counts the descendants of `pid` and keeps the largest peak among those that run another program than the command.
static long walk(pid_t pid, struct Cost *cost, int depth) {
  char path[64], text[kText];
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
  if (depth > kMaxDepth || !read_text(path, text)) return 0;
  long count = 0;
  for (char *at = text, *end; *at != '\0'; at = end) {
    const long child = strtol(at, &end, 10);
    if (end == at) break;
    const long peak = is_copy_of_command((pid_t)child) ? 0 : peak_of((pid_t)child);
    if (peak > cost->children_kb) cost->children_kb = peak;
    count += 1 + walk((pid_t)child, cost, depth + 1);
  }
  return count;
}

static void sample(struct Cost *cost) {
  const long peak = peak_of(command_pid), available = field_kb("/proc/meminfo", "MemAvailable:");
  if (peak > cost->peak_kb) cost->peak_kb = peak;
  if (available >= 0 && available < cost->lowest_kb) cost->lowest_kb = available;
  (void)walk(getpid(), cost, 0);
}

// To the command alone: CRIU must not be stopped behind the back of the command that runs it.
static void forward(int signal_number) {
  stopping = 1;
  kill(command_pid, signal_number);
}

static void start(char **command) {
  sigset_t both, before;
  sigemptyset(&both);
  sigaddset(&both, SIGINT);
  sigaddset(&both, SIGTERM);
  sigprocmask(SIG_BLOCK, &both, &before);  // until forward() knows whom to tell
  signal(SIGINT, forward);
  signal(SIGTERM, forward);
  const pid_t pid = vfork();
  if (pid == -1) die("vfork");
  if (pid == 0) {
    sigprocmask(SIG_SETMASK, &before, NULL);
    execvp(command[0], command);
    _exit(127);
  }
  command_pid = pid;
  sigprocmask(SIG_SETMASK, &before, NULL);
}

// The command was told to stop and has stopped: what it left behind, such as helpers of a CRIU that could not clean up, goes too.
static void end_descendants(void) {
  char path[64], text[kText];
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)getpid(), (int)getpid());
  while (read_text(path, text)) {
    for (char *at = text, *end; *at != '\0'; at = end) {
      const long child = strtol(at, &end, 10);
      if (end == at) break;
      kill((pid_t)child, SIGKILL);
    }
    if (waitpid(-1, NULL, 0) == -1 && errno == ECHILD) return;
  }
}

static int wait_sampling(struct Cost *cost, int64_t began, int64_t *wall) {
  const int fd = (int)syscall(SYS_pidfd_open, command_pid, 0);
  if (fd == -1) die("pidfd_open");
  struct pollfd ended = {fd, POLLIN, 0};
  while (poll(&ended, 1, kSampleMs) < 1) sample(cost);  // EINTR is a forwarded signal: an early sample
  *wall = now_us() - began;
  int status = 0;
  if (waitpid(command_pid, &status, 0) == -1) die("waitpid");
  close(fd);
  return status;
}

static int64_t sync_filesystem(const char *dir) {
  if (dir == NULL) return -1;
  const int64_t began = now_us();
  const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd == -1 || syncfs(fd) == -1) die(dir);
  close(fd);
  return now_us() - began;
}

static int64_t micros(struct timeval t) { return (int64_t)t.tv_sec * 1000000 + t.tv_usec; }

int main(int argc, char **argv) {
  const char *dir = argc > 2 && strcmp(argv[1], "--sync") == 0 ? argv[2] : NULL;
  const int first = dir == NULL ? 1 : 3;
  if (argc < first + 2 || strcmp(argv[first], "--") != 0) return fputs("usage: run [--sync DIR] -- COMMAND...\n", stderr), 2;
  if (fcntl(kReport, F_SETFD, FD_CLOEXEC) == -1) die("fd 3");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  struct Cost cost = {0};
  cost.available_kb = cost.lowest_kb = field_kb("/proc/meminfo", "MemAvailable:");
  const int64_t began_real = clock_us(CLOCK_REALTIME), began = now_us();
  start(argv + first + 1);
  int64_t wall = 0;
  const int status = wait_sampling(&cost, began, &wall);
  if (stopping) end_descendants();
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
  struct rusage used;
  getrusage(RUSAGE_CHILDREN, &used);
  command_pid = -1;
  cost.left = walk(getpid(), &cost, 0);
  const int64_t synced = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? sync_filesystem(dir) : -1;
  dprintf(kReport,
          "{\"exit\":%d,\"signal\":%d,\"wallUs\":%lld,\"userUs\":%lld,\"systemUs\":%lld,\"peakKb\":%ld,\"childrenKb\":%ld,"
          "\"largestKb\":%ld,\"hostKb\":%ld,\"syncUs\":%lld,\"left\":%ld,\"beganUs\":%lld}\n",
          WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0, (long long)wall,
          (long long)micros(used.ru_utime), (long long)micros(used.ru_stime), cost.peak_kb, cost.children_kb,
          used.ru_maxrss, cost.available_kb - cost.lowest_kb, (long long)synced, cost.left,
          (long long)began_real);
  return 0;
}
