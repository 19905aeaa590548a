// What a restore is for the restored: when it runs again, and how long it waits for memory that is not there yet. A thread that looks at the
// clock and then at one page of the arena at random, five thousand times a second; when the clock has jumped, the tree was away. The clock is
// CLOCK_REALTIME: CRIU gives a restored tree a time namespace in which CLOCK_MONOTONIC goes on where it stood at the dump.
//
//   resumed NS                the first instruction after that, at once through the FIFO
//   away NS                   before each answer: the longest time between two looks since the last answer
//   waited N P50 P99 MAX      after that: how many looks took as long as a fault takes, and how long those took, in nanoseconds
#pragma once

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pages.h"

enum { kMostWaits = 1 << 16 };
static const uint64_t kAwayNs = 100000000;  // longer than a busy host lets a thread wait, shorter than a dump and a restore
static const uint64_t kFaultNs = 4000;      // a page that is there takes less, one that somebody must bring takes ten times as long
static const long kLookNs = 200000;

struct Probe {
  const char *fifo;
  const uint64_t *words;
  uint64_t pages;
  uint64_t waits[kMostWaits];
  _Atomic size_t count;
  _Atomic uint64_t away;
};

static uint64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void say_line(const char *fifo, const char *line, int length) {
  const int fd = open(fifo, O_WRONLY | O_CLOEXEC);
  if (fd == -1 || write(fd, line, (size_t)length) != length) _exit(1);  // below PIPE_BUF: never torn
  close(fd);
}

static void *look(void *argument) {
  struct Probe *probe = argument;
  const struct timespec pause = {0, kLookNs};
  uint64_t state = probe->pages, last = clock_ns();
  int away = 0;
  for (;;) {
    nanosleep(&pause, NULL);
    const uint64_t now = clock_ns();
    if (now - last > probe->away) probe->away = now - last;
    if (now - last > kAwayNs) {
      char line[64];
      say_line(probe->fifo, line, snprintf(line, sizeof line, "resumed %" PRIu64 "\n", now));
      probe->count = 0;
      away = 1;
    }
    if (away) {
      const uint64_t before = clock_ns();
      (void)*(const volatile uint64_t *)(probe->words + split_mix(&state) % probe->pages * kPageWords);
      const uint64_t took = clock_ns() - before;
      const size_t at = probe->count;
      if (took >= kFaultNs && at < kMostWaits) probe->waits[at] = took, probe->count = at + 1;
    }
    last = clock_ns();
  }
  return NULL;
}

static int by_length(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

// The thread goes on meanwhile: what it adds is of the next answer.
static void tell_waits(struct Probe *probe) {
  const size_t n = probe->count;
  uint64_t *sorted = malloc((n + 1) * sizeof *sorted);
  if (sorted == NULL) _exit(1);
  memcpy(sorted, probe->waits, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, by_length);
  const uint64_t p50 = n == 0 ? 0 : sorted[n / 2], p99 = n == 0 ? 0 : sorted[n * 99 / 100], most = n == 0 ? 0 : sorted[n - 1];
  free(sorted);
  char line[128];
  say_line(probe->fifo, line, snprintf(line, sizeof line, "away %" PRIu64 "\n", atomic_exchange(&probe->away, 0)));
  say_line(probe->fifo, line, snprintf(line, sizeof line, "waited %zu %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", n, p50, p99, most));
}
