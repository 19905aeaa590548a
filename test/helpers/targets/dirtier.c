// dirtier CONTROL MEGABYTES
//
// Pages that know what they hold: each page carries its number, a generation, and contents that follow from both, so that a
// page restored from the wrong link of a chain is recognised as such. Questions:
//   touch FROM COUNT   {"generation"}   pages FROM.. get the next generation
//   drop FROM COUNT    {"dropped"}      pages FROM.. become zero (MADV_DONTNEED): a hole that the parent still has contents for
//   map MEGABYTES      {"pages"}        more pages, in a mapping of their own that no earlier dump has seen
//   run                {}               a thread touches pages one after the other until `pause`
//   work MICROSECONDS  {}               ... which computes for so long for each page, and changes it in each round
//   pause              {"touched"}
//   where              {"arenas":[{"at":address in hexadecimal,"pages":n}]}
//   verify             {"pages","zero","broken","generations":{"0":n,...},"digest"}   (pauses)
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "target.h"

#define MAX_ARENAS 16
#define MAX_GENERATIONS 64

struct page {
  uint64_t number, generation, words[WORDS - 2];
};

static struct {
  struct page *pages;
  size_t count, first;
} arenas[MAX_ARENAS];
static size_t arena_count, page_count;
static uint64_t generation;
static _Atomic int running, stopped = 1;
static _Atomic uint64_t touched, work_us;

static struct page *page_at(size_t number) {
  for (size_t i = 0; i < arena_count; i++)
    if (number - arenas[i].first < arenas[i].count) return arenas[i].pages + (number - arenas[i].first);
  return NULL;
}

static void touch(size_t number, uint64_t wanted) {
  struct page *page = page_at(number);
  if (page == NULL) return;
  page->number = number;
  page->generation = wanted;
  for (size_t i = 0; i < WORDS - 2; i++) page->words[i] = pattern(number, wanted, i);
}

static void map(size_t megabytes) {
  if (arena_count == MAX_ARENAS) return;
  const size_t count = megabytes * (1UL << 20) / PAGE;
  void *at = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) die("mmap");
  // Huge pages are dirty as a whole, which would hide a page that was wrongly left out.
  madvise(at, count * PAGE, MADV_NOHUGEPAGE);
  arenas[arena_count].pages = at;
  arenas[arena_count].count = count;
  arenas[arena_count++].first = page_count;
  page_count += count;
  for (size_t i = page_count - count; i < page_count; i++) touch(i, generation);
}

static uint64_t computed_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void *keep_touching(void *unused) {
  for (;;) {
    stopped = !running;
    if (stopped) {
      sleep_ms(1);
    } else {
      touch(touched % page_count, work_us == 0 ? generation : (generation + touched / page_count) % MAX_GENERATIONS);
      touched++;
      for (const uint64_t from = computed_us(); work_us != 0 && computed_us() - from < work_us;) continue;
    }
  }
  return unused;
}

static void pause_touching(void) {
  running = 0;
  while (!stopped) sleep_ms(1);
}

static void verify(FILE *reply) {
  size_t zero = 0, broken = 0, seen[MAX_GENERATIONS] = {0};
  uint64_t hash = DIGEST_SEED;
  for (size_t number = 0; number < page_count; number++) {
    const struct page *page = page_at(number);
    hash = digest(hash, page, PAGE);
    size_t wrong = page->number != number || page->generation >= MAX_GENERATIONS;
    for (size_t i = 0; i < WORDS - 2; i++) wrong += page->words[i] != pattern(number, page->generation, i);
    static const struct page empty;
    if (memcmp(page, &empty, PAGE) == 0)
      zero++;
    else if (wrong)
      broken++;
    else
      seen[page->generation]++;
  }
  fprintf(reply, "{\"pages\":%zu,\"zero\":%zu,\"broken\":%zu,\"generations\":{", page_count, zero, broken);
  const char *comma = "";
  for (size_t i = 0; i < MAX_GENERATIONS; i++)
    if (seen[i] != 0) {
      fprintf(reply, "%s\"%zu\":%zu", comma, i, seen[i]);
      comma = ",";
    }
  fprintf(reply, "},\"digest\":\"%016lx\"}", hash);
}

static void where(FILE *reply) {
  fprintf(reply, "{\"arenas\":[");
  for (size_t i = 0; i < arena_count; i++)
    fprintf(reply, "%s{\"at\":\"%lx\",\"pages\":%zu}", i == 0 ? "" : ",", (unsigned long)arenas[i].pages, arenas[i].count);
  fprintf(reply, "]}");
}

static void answer(const char *request, FILE *reply) {
  size_t from = 0, count = 0;
  if (sscanf(request, "touch %zu %zu", &from, &count) == 2) {
    generation++;
    for (size_t i = 0; i < count; i++) touch(from + i, generation);
    fprintf(reply, "{\"generation\":%lu}", generation);
  } else if (sscanf(request, "drop %zu %zu", &from, &count) == 2) {
    for (size_t i = 0; i < count; i++)
      if (page_at(from + i) != NULL) MUST(madvise(page_at(from + i), PAGE, MADV_DONTNEED));
    fprintf(reply, "{\"dropped\":%zu}", count);
  } else if (sscanf(request, "map %zu", &count) == 1) {
    generation++;
    map(count);
    fprintf(reply, "{\"pages\":%zu}", page_count);
  } else if (sscanf(request, "work %zu", &count) == 1) {
    work_us = count;
    fprintf(reply, "{}");
  } else if (strcmp(request, "run") == 0) {
    generation++;
    running = 1;
    fprintf(reply, "{}");
  } else if (strcmp(request, "pause") == 0) {
    pause_touching();
    fprintf(reply, "{\"touched\":%lu}", touched);
  } else if (strcmp(request, "where") == 0) {
    where(reply);
  } else if (strcmp(request, "verify") == 0) {
    pause_touching();
    verify(reply);
  } else {
    fprintf(reply, "{\"error\":\"unknown request\"}");
  }
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (argc != 3) return 2;
  clean_start();
  map(strtoul(argv[2], NULL, 10));
  if (pthread_create(&thread, NULL, keep_touching, NULL) != 0) die("pthread_create");
  control_serve(argv[1], answer);
}
