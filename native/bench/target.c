// The process tree that a benchmark dumps: P processes, each with an arena of anonymous memory filled from a seed.
//
// It holds nothing open that CRIU would have to treat as external: no socket, no pipe, stdio on /dev/null. It is asked by signal
// and answers with one line through a FIFO that it opens for that line only:
//
//   PID INDEX ADDRESS PAGES DIGEST FIRST_GENERATION LAST_GENERATION CUT   ("ok" or "broken")
//
// With PROBE 1 the root also says what a restore is like for it: see probe.h.
//
// SIGUSR1 asks; the first line comes unasked when the arena is filled. SIGTERM to the root ends and reaps the whole tree, so that
// its pids are free at once (PID 1 of many containers reaps late). If the benchmark dies, the tree ends within seconds.
// The alternative, a control socket, would have to be declared external to every peer and would be part of what is measured.

#define _GNU_SOURCE
#include "pages.h"
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct Plan {
  const char *fifo;
  pid_t owner;
  uint64_t pages;  // of one process
  uint64_t seed, dirty_pages_per_second;
  double entropy, zero_share;
  int processes, threads, probe;
};

struct Arena {
  uint64_t *words;
  uint64_t pages;
  uint64_t dirty_pages_per_second;
};

// Held while pages are made dirty and while they are looked at, so that an answer is of one moment.
static pthread_mutex_t dirtying = PTHREAD_MUTEX_INITIALIZER;

enum { kMaxProcesses = 1024, kOwnerCheckSeconds = 2 };
static const long kTickNs = 1000000;  // a dirty rate is kept in ticks of 1 ms
static const uint64_t kUnit = 1u << 20;

static void die(const char *what) {
  fprintf(stderr, "target: %s: %s\n", what, strerror(errno));
  _exit(1);
}

enum Kind { kZero, kRandom, kPattern };

static double share(uint64_t *state) { return (double)(split_mix(state) % kUnit) / (double)kUnit; }

static enum Kind draw_kind(const struct Plan *plan, uint64_t *state) {
  if (share(state) < plan->zero_share) return kZero;
  return share(state) < plan->entropy ? kRandom : kPattern;
}

// A pattern page compresses: one word repeated, as a cleared or initialised structure would.
static void fill_page(uint64_t *page, enum Kind kind, uint64_t *state) {
  if (kind == kZero) {
    memset(page, 0, kPageBytes);  // touched, so the kernel has backed it
    return;
  }
  const uint64_t motif = split_mix(state) & 0x00FF00FF00FF00FFu;
  page[0] = 1;
  for (size_t i = 1; i < kPageWords; i++) page[i] = kind == kRandom ? split_mix(state) : motif;
}

static struct Arena make_arena(const struct Plan *plan, int index) {
  const size_t bytes = plan->pages * kPageBytes;
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  struct Arena arena = {memory, plan->pages, plan->dirty_pages_per_second};
  uint64_t state = plan->seed * kPrime1 ^ (uint64_t)(index + 1) * kPrime2;
  // Pages of a kind come in stretches of 1 to 256, as buffers do; single zero pages among others are the exception in real heaps.
  for (uint64_t i = 0; i < plan->pages;) {
    const uint64_t stretch = (uint64_t)1 << split_mix(&state) % 9;
    const enum Kind kind = draw_kind(plan, &state);
    for (const uint64_t end = i + stretch; i < end && i < plan->pages; i++) fill_page(arena.words + i * kPageWords, kind, &state);
  }
  return arena;
}

// Without stdio: a FILE would leave a buffer in the heap that differs between the two asks.
static void answer(const struct Plan *plan, const struct Arena *arena, int index) {
  uint64_t digest = 0;
  struct Cut cut = {0, 0, 0, 0};
  pthread_mutex_lock(&dirtying);
  for (uint64_t i = 0; i < arena->pages; i++) {
    const uint64_t *page = arena->words + i * kPageWords;
    digest = arena_digest(digest, page_digest(page), i);
    cut_add(&cut, page[0]);
  }
  pthread_mutex_unlock(&dirtying);
  char line[256];
  const int length = snprintf(line, sizeof line, "%d %d %" PRIx64 " %" PRIu64 " %016" PRIx64 " %" PRIu64 " %" PRIu64 " %s\n",
                              (int)getpid(), index, (uint64_t)(uintptr_t)arena->words, arena->pages, digest, cut.first, cut.last,
                              cut.broken ? "broken" : "ok");
  const int fd = open(plan->fifo, O_WRONLY | O_CLOEXEC);
  if (fd == -1) die(plan->fifo);
  if (write(fd, line, (size_t)length) != length) die("write");  // below PIPE_BUF: never torn between processes
  close(fd);
}

// Makes so many pages dirty that are not zero, or all there are.
static void make_dirty(const struct Arena *arena, uint64_t pages) {
  static uint64_t page = 0, generation = 2;
  pthread_mutex_lock(&dirtying);
  for (uint64_t looked = 0; pages > 0 && looked < arena->pages; looked++) {
    uint64_t *word = arena->words + page * kPageWords;
    if (*word != 0) __atomic_store_n(word, generation, __ATOMIC_RELEASE), pages--;
    if (++page == arena->pages) page = 0, generation++;
  }
  pthread_mutex_unlock(&dirtying);
}

// Which network this is: another one at another host.
static ino_t network(void) {
  struct stat place;
  return stat("/proc/self/ns/net", &place) == 0 ? place.st_ino : 0;
}

// Until the tree has moved: what it finds there is to be looked at, and not written over.
static void *keep_dirtying(void *argument) {
  const struct Arena *arena = argument;
  const ino_t home = network();
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  uint64_t owed = 0;
  while (network() == home) {
    owed += arena->dirty_pages_per_second;  // in thousandths of a page
    make_dirty(arena, owed / 1000);
    owed %= 1000;
    next.tv_nsec += kTickNs;
    if (next.tv_nsec >= 1000000000) next.tv_nsec -= 1000000000, next.tv_sec++;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    // Frozen for a while: the rate is a rate of running time, nothing is caught up.
    if (now.tv_sec > next.tv_sec || (now.tv_sec == next.tv_sec && now.tv_nsec > next.tv_nsec)) next = now;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
  }
  return NULL;
}

static void *stand_by(void *unused) {
  for (;;) pause();
  return unused;
}

static void start_threads(const struct Plan *plan, struct Arena *arena) {
  pthread_t thread;
  for (int i = 1; i < plan->threads; i++)
    if (pthread_create(&thread, NULL, stand_by, NULL) != 0) die("pthread_create");
  if (arena->dirty_pages_per_second != 0 && pthread_create(&thread, NULL, keep_dirtying, arena) != 0) die("pthread_create");
}

static void start_probe(const struct Plan *plan, const struct Arena *arena, struct Probe *probe) {
  pthread_t thread;
  probe->fifo = plan->fifo;
  probe->words = arena->words;
  probe->pages = arena->pages;
  if (pthread_create(&thread, NULL, look, probe) != 0) die("pthread_create");
}

static void end_tree(const pid_t *children, int count) {
  for (int i = 0; i < count; i++) kill(children[i], SIGKILL);
  for (int i = 0; i < count; i++) waitpid(children[i], NULL, 0);
  _exit(0);
}

static void serve(const struct Plan *plan, int index, const pid_t *children, int count) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  struct Arena arena = make_arena(plan, index);
  start_threads(plan, &arena);
  static struct Probe probe;
  const int probes = plan->probe && index == 0;
  if (probes) start_probe(plan, &arena, &probe);
  answer(plan, &arena, index);
  const struct timespec patience = {kOwnerCheckSeconds, 0};
  for (;;) {
    const int got = sigtimedwait(&set, NULL, &patience);
    if (got == SIGUSR1 && probes) tell_waits(&probe);
    if (got == SIGUSR1) answer(plan, &arena, index);
    if (got == SIGTERM) end_tree(children, count);
    if (got == -1 && kill(plan->owner, 0) == -1 && errno == ESRCH) end_tree(children, count);
  }
}

static int warm(uint64_t bytes) {
  char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  for (uint64_t at = 0; at < bytes; at += kPageBytes) memory[at] = 1;
  return 0;
}

int main(int argc, char **argv) {
  // target --warm BYTES: makes a virtual machine's host back that much memory, then gives it back to the guest.
  if (argc == 3 && strcmp(argv[1], "--warm") == 0) return warm(strtoull(argv[2], NULL, 10));
  if (argc != 11) {
    fputs("usage: target FIFO OWNER_PID PAGES_PER_PROCESS SEED ENTROPY ZERO_SHARE DIRTY_PAGES_PER_SECOND PROCESSES THREADS PROBE\n", stderr);
    return 2;
  }
  const struct Plan plan = {.fifo = argv[1], .owner = atoi(argv[2]), .pages = strtoull(argv[3], NULL, 10),
                            .seed = strtoull(argv[4], NULL, 10), .entropy = atof(argv[5]), .zero_share = atof(argv[6]),
                            .dirty_pages_per_second = strtoull(argv[7], NULL, 10), .processes = atoi(argv[8]),
                            .threads = atoi(argv[9]), .probe = atoi(argv[10])};
  if (plan.processes < 1 || plan.processes > kMaxProcesses || plan.threads < 1) return 2;
  pid_t children[kMaxProcesses];
  for (int i = 1; i < plan.processes; i++) {
    const pid_t pid = fork();
    if (pid == -1) die("fork");
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve(&plan, i, NULL, 0);
    }
    children[i - 1] = pid;
  }
  serve(&plan, 0, children, plan.processes - 1);
}
