// memory CONTROL MEGABYTES THREADS ZERO_EVERY
//
// A process whose threads hold an arena of memory: each fills its slice with a pattern, leaving every ZERO_EVERY-th page
// zero (0: none; half of those written with zeros, half never touched), and then ticks for ever. Questions:
//   digest       {"digest","bytes"}     over the whole arena
//   threads      {"threads","alive"}    how many threads ticked since the question was asked, names and thread-locals intact
//   dirty N      {"dirtied"}            gives N pages, spread over the arena, new contents
//   grow N       {"bytes"}              starts a thread that maps and fills N more MB, outside the arena, 64 KiB at a time
//   grown        {"grown","broken"}     how far that is, and how many of its pages do not hold what they should
//   say WORD     {"said"}               writes WORD and a newline to standard output
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "target.h"

#define MAX_THREADS 64

static uint64_t *arena;
static size_t arena_pages, zero_every;
static int thread_count;
static uint64_t dirt;

static struct {
  _Atomic uint64_t ticks;
  _Atomic int filled, spoiled;
  pthread_t thread;
} threads[MAX_THREADS];
static _Thread_local uint64_t own;

static void fill(size_t page, uint64_t generation) {
  uint64_t *words = arena + page * WORDS;
  for (size_t i = 0; i < WORDS; i++) words[i] = pattern(page, generation, i);
}

static void fill_slice(size_t index) {
  const size_t from = arena_pages * index / (size_t)thread_count, to = arena_pages * (index + 1) / (size_t)thread_count;
  for (size_t page = from; page < to; page++) {
    if (zero_every == 0 || page % zero_every != 0)
      fill(page, 0);
    else if (page / zero_every % 2 == 0)
      memset(arena + page * WORDS, 0, PAGE);
  }
}

static void *tick(void *argument) {
  const size_t index = (size_t)argument;
  char name[16], want[16];
  snprintf(want, sizeof want, "worker-%zu", index);
  prctl(PR_SET_NAME, want);
  own = pattern(index, 7, 7);
  fill_slice(index);
  threads[index].filled = 1;
  for (;;) {
    sleep_ms(5);
    prctl(PR_GET_NAME, name);
    if (own != pattern(index, 7, 7) || strcmp(name, want) != 0) threads[index].spoiled = 1;
    threads[index].ticks++;
  }
  return argument;
}

static int count_alive(void) {
  uint64_t before[MAX_THREADS];
  int alive = 0;
  for (int i = 0; i < thread_count; i++) before[i] = threads[i].ticks;
  for (const double end = now() + 10; alive < thread_count && now() < end; sleep_ms(2)) {
    alive = 0;
    for (int i = 0; i < thread_count; i++) alive += threads[i].ticks > before[i] && !threads[i].spoiled;
  }
  return alive;
}

// Growing memory: what a tree does to CRIU that maps more while it is being looked at.
#define STEP (64UL << 10)
static struct {
  char *steps[65536];
  size_t wanted;
  _Atomic size_t have;
} growth;

static void *grow(void *unused) {
  for (size_t i = growth.have; i < growth.wanted; i++) {
    char *step = mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (step == MAP_FAILED) die("mmap");
    for (size_t word = 0; word < STEP / 8; word++) ((uint64_t *)step)[word] = pattern(i, 3, word);
    growth.steps[i] = step;
    growth.have = i + 1;
  }
  return unused;
}

static size_t broken_growth(void) {
  size_t broken = 0;
  for (size_t i = 0, have = growth.have; i < have; i++)
    for (size_t word = 0; word < STEP / 8; word += 64) broken += ((uint64_t *)growth.steps[i])[word] != pattern(i, 3, word);
  return broken;
}

static void start_growing(size_t megabytes) {
  pthread_t thread;
  growth.wanted = growth.have + megabytes * (1UL << 20) / STEP;
  if (growth.wanted > sizeof growth.steps / sizeof *growth.steps) growth.wanted = sizeof growth.steps / sizeof *growth.steps;
  if (pthread_create(&thread, NULL, grow, NULL) != 0) die("pthread_create");
  pthread_detach(thread);
}

static void answer(const char *request, FILE *reply) {
  const size_t n = strchr(request, ' ') ? strtoul(strchr(request, ' '), NULL, 10) : 0;
  if (strcmp(request, "digest") == 0) {
    fprintf(reply, "{\"digest\":\"%016lx\",\"bytes\":%zu}", digest(DIGEST_SEED, arena, arena_pages * PAGE), arena_pages * PAGE);
  } else if (strcmp(request, "threads") == 0) {
    fprintf(reply, "{\"threads\":%d,\"alive\":%d}", thread_count, count_alive());
  } else if (strncmp(request, "dirty ", 6) == 0) {
    dirt++;
    for (size_t i = 0; i < n; i++) fill(i * arena_pages / n, dirt);
    fprintf(reply, "{\"dirtied\":%zu}", n);
  } else if (strncmp(request, "grow ", 5) == 0) {
    start_growing(n);
    fprintf(reply, "{\"bytes\":%zu}", growth.wanted * STEP);
  } else if (strcmp(request, "grown") == 0) {
    fprintf(reply, "{\"grown\":%zu,\"broken\":%zu}", (size_t)growth.have * STEP, broken_growth());
  } else if (strncmp(request, "say ", 4) == 0) {
    dprintf(STDOUT_FILENO, "%s\n", request + 4);
    fprintf(reply, "{\"said\":true}");
  } else {
    fprintf(reply, "{\"error\":\"unknown request\"}");
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  clean_start();
  arena_pages = strtoul(argv[2], NULL, 10) * (1UL << 20) / PAGE;
  thread_count = atoi(argv[3]);
  zero_every = strtoul(argv[4], NULL, 10);
  if (thread_count < 1 || thread_count > MAX_THREADS) return 2;
  arena = mmap(NULL, arena_pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (arena == MAP_FAILED) die("mmap");
  for (size_t i = 0; i < (size_t)thread_count; i++)
    if (pthread_create(&threads[i].thread, NULL, tick, (void *)i) != 0) die("pthread_create");
  for (int i = 0; i < thread_count; i++)
    while (!threads[i].filled) sleep_ms(1);
  control_serve(argv[1], answer);
}
