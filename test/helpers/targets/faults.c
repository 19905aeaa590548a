// faults CONTROL MEGABYTES
//
// A process that asks for its memory in every way that a lazy restore must answer, and checks what it gets. Its arena holds a pattern
// that names page and word; each question works on a part of it and answers {"broken"}, the number of pages that were not as they
// should be, 0 when all is well:
//   check N        all pages, by N threads at once that begin at different places
//   forks N G      N children at once, each with G generations below it; each checks what it inherited, in another order
//   storm N        N children one after another, as fast as they can be forked; each checks some pages and ends
//   remap          moves parts with mremap, checks them at their new place, and moves them back
//   remove         gives parts up with MADV_DONTNEED, which must read as zeros then, and writes them anew
//   unmap          unmaps parts, maps new memory in their place, which must read as zeros, and writes it anew
//   together N     all of the above at once, for N rounds, while two threads check
//   orphan         {"pid"}: a grandchild that nobody waits for keeps reading, in a session of its own
//   read           {"reading"}: a thread reads all pages for ever; a wrong one ends the process with status 9
//   align          {"aligned"}: a thread waits for ever with a stack pointer that is a multiple of the page size
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "target.h"

static uint64_t *arena;
static size_t pages;

// Parts that are moved, given up and unmapped: the checking threads leave them out.
enum { kParts = 8 };
static size_t part_pages(void) { return pages / 16; }
static uint64_t *part(size_t i) { return arena + i * part_pages() * WORDS; }

static bool is_right(const uint64_t *at, size_t page) {
  // Three words: a page that came from elsewhere, or half of it, differs in all.
  return at[0] == pattern(page, 0, 0) && at[200] == pattern(page, 0, 200) && at[WORDS - 1] == pattern(page, 0, WORDS - 1);
}

static size_t broken_in(const uint64_t *at, size_t first, size_t n) {
  size_t broken = 0;
  for (size_t i = 0; i < n; i++) broken += !is_right(at + i * WORDS, first + i);
  return broken;
}

static size_t nonzero_in(const uint64_t *at, size_t n) {
  size_t broken = 0;
  for (size_t i = 0; i < n * WORDS; i += 128) broken += at[i] != 0;
  return broken;
}

static void fill(uint64_t *at, size_t first, size_t n) {
  for (size_t i = 0; i < n * WORDS; i++) at[i] = pattern(first + i / WORDS, 0, i % WORDS);
}

struct Check {
  pthread_t thread;
  size_t from, broken;
};

static size_t check_from(size_t from, size_t least) {
  size_t broken = 0;
  for (size_t i = 0; i < pages; i++) {
    const size_t page = (from + i * 7919) % pages;  // a prime: no order that anybody would guess
    if (page >= least) broken += !is_right(arena + page * WORDS, page);
  }
  return broken;
}

static void *check_all(void *argument) {
  struct Check *check = argument;
  check->broken = check_from(check->from, 0);
  return NULL;
}

static size_t check(size_t n) {
  struct Check checks[64] = {0};
  size_t broken = 0;
  if (n > 64) n = 64;
  for (size_t i = 0; i < n; i++) {
    checks[i].from = pages * i / n;
    if (pthread_create(&checks[i].thread, NULL, check_all, &checks[i]) != 0) die("pthread_create");
  }
  for (size_t i = 0; i < n; i++) {
    pthread_join(checks[i].thread, NULL);
    broken += checks[i].broken;
  }
  return broken;
}

// In a child: the number of broken pages below it is its status, as far as that goes.
static size_t forks(size_t n, size_t generations, size_t least) {
  pid_t children[64];
  if (n > 64) n = 64;
  for (size_t i = 0; i < n; i++) {
    children[i] = fork();
    if (children[i] == -1) die("fork");
    if (children[i] == 0) {
      size_t broken = generations > 1 ? forks(1, generations - 1, least) : 0;
      broken += check_from(pages * i / n + generations * 31, least);
      _exit(broken > 100 ? 100 : (int)broken);
    }
  }
  size_t broken = 0;
  for (size_t i = 0; i < n; i++) {
    int status = 0;
    if (waitpid(children[i], &status, 0) == -1) die("waitpid");
    broken += WIFEXITED(status) ? (size_t)WEXITSTATUS(status) : 1000;
  }
  return broken;
}

static size_t storm(size_t n) {
  size_t broken = 0;
  for (size_t i = 0; i < n; i++) {
    const pid_t child = fork();
    if (child == -1) die("fork");
    if (child == 0) {
      size_t wrong = 0;
      for (size_t k = 0; k < 32; k++) {
        const size_t page = (i * 131 + k * 7919) % pages;
        wrong += !is_right(arena + page * WORDS, page);
      }
      _exit((int)wrong);
    }
    int status = 0;
    // Every other one is waited for later, so that several live at once.
    if (i % 8 != 7) continue;
    while (waitpid(-1, &status, WNOHANG) > 0) broken += WIFEXITED(status) ? (size_t)WEXITSTATUS(status) : 1000;
  }
  int status = 0;
  while (waitpid(-1, &status, 0) > 0) broken += WIFEXITED(status) ? (size_t)WEXITSTATUS(status) : 1000;
  return broken;
}

static size_t remap_part(size_t i) {
  const size_t bytes = part_pages() * PAGE;
  void *elsewhere = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (elsewhere == MAP_FAILED) die("mmap");
  // The second half only: cuts a mapping in two.
  uint64_t *half = part(i) + part_pages() / 2 * WORDS;
  const size_t n = part_pages() / 2;
  uint64_t *moved = mremap(half, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere);
  if (moved == MAP_FAILED) die("mremap");
  const size_t first = i * part_pages() + part_pages() / 2;
  size_t broken = 0;
  for (size_t page = 0; page < n; page += 3) broken += !is_right(moved + page * WORDS, first + page);
  if (mremap(moved, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, half) != half) die("mremap");
  munmap((char *)elsewhere + n * PAGE, bytes - n * PAGE);
  return broken + broken_in(half, first, n);
}

static size_t remove_part(size_t i) {
  uint64_t *at = part(i);
  const size_t n = part_pages();
  if (madvise(at, n * PAGE, MADV_DONTNEED) != 0) die("madvise");
  const size_t broken = nonzero_in(at, n);
  fill(at, i * n, n);
  return broken + broken_in(at, i * n, n);
}

static size_t unmap_part(size_t i) {
  uint64_t *at = part(i);
  const size_t n = part_pages();
  if (munmap(at, n * PAGE) != 0) die("munmap");
  if (mmap(at, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at) die("mmap");
  const size_t broken = nonzero_in(at, n);
  fill(at, i * n, n);
  return broken + broken_in(at, i * n, n);
}

struct Rounds {
  pthread_t thread;
  size_t number, rounds, broken;
};

// Threads 0 to 2 have parts of their own; 3 and 4 check what is nobody's part; the last forks.
static void *take_part(void *argument) {
  struct Rounds *own = argument;
  const size_t i = own->number, least = kParts * part_pages();
  for (size_t round = 0; round < own->rounds; round++) {
    if (i == 0) own->broken += remap_part(round % 2);
    if (i == 1) own->broken += remove_part(2 + round % 2);
    if (i == 2) own->broken += unmap_part(4 + round % 2);
    if (i == 3 || i == 4) own->broken += check_from(i * 1000 + round, least);
    if (i == 5) own->broken += forks(2, 2, least);
  }
  return NULL;
}

static size_t together(size_t rounds) {
  struct Rounds all[6] = {0};
  size_t broken = 0;
  for (size_t i = 0; i < 6; i++) {
    all[i].number = i;
    all[i].rounds = rounds;
    if (pthread_create(&all[i].thread, NULL, take_part, &all[i]) != 0) die("pthread_create");
  }
  for (size_t i = 0; i < 6; i++) {
    pthread_join(all[i].thread, NULL);
    broken += all[i].broken;
  }
  return broken;
}

static void *read_for_ever(void *unused) {
  for (size_t round = 0;; round++)
    if (check_from(round * 4099, 0) != 0) _exit(9);
  return unused;
}

// Where CRIU's dump then marks nothing of the process as lazy.
static void *wait_aligned(void *unused) {
#if defined(__x86_64__)
  __asm__ volatile("and $-4096, %rsp\n0: mov $34, %eax\nsyscall\njmp 0b");  // pause()
#elif defined(__aarch64__)
  __asm__ volatile(
      "mov x9, sp\nand sp, x9, #-4096\n0: mov x0, #0\nmov x1, #0\nmov x2, #0\nmov x3, #0\nmov x8, #73\nsvc #0\nb 0b");  // ppoll()
#endif
  return unused;
}

// What it finds wrong it cannot tell anybody but by a file: its arena's first page is never zero, so a zero is a lost page.
static pid_t orphan(const char *control) {
  int ends[2];
  if (pipe(ends) == -1) die("pipe");
  const pid_t child = fork();
  if (child == -1) die("fork");
  if (child == 0) {
    const pid_t grandchild = fork();
    if (grandchild != 0) {
      if (write(ends[1], &grandchild, sizeof grandchild) != sizeof grandchild) die("write");
      _exit(0);
    }
    clean_start();  // among others the connection of who asks, who waits for its end
    setsid();
    char name[256];
    snprintf(name, sizeof name, "%s.broken", control);
    for (size_t round = 0;; round++) {
      if (check_from(round * 4099, 0) == 0) continue;
      close(open(name, O_CREAT | O_WRONLY, 0600));
      _exit(9);
    }
  }
  pid_t grandchild = -1;
  if (read(ends[0], &grandchild, sizeof grandchild) != sizeof grandchild) die("read");
  close(ends[0]);
  close(ends[1]);
  waitpid(child, NULL, 0);
  return grandchild;
}

static const char *control_path;

static size_t each_part(size_t (*work)(size_t)) {
  size_t broken = 0;
  for (size_t i = 0; i < kParts; i++) broken += work(i);
  return broken;
}

static void answer(const char *request, FILE *reply) {
  size_t n = 0, g = 0, broken = 0;
  if (sscanf(request, "check %zu", &n) == 1) broken = check(n);
  else if (sscanf(request, "forks %zu %zu", &n, &g) == 2) broken = forks(n, g, 0);
  else if (sscanf(request, "storm %zu", &n) == 1) broken = storm(n);
  else if (strcmp(request, "remap") == 0) broken = each_part(remap_part);
  else if (strcmp(request, "remove") == 0) broken = each_part(remove_part);
  else if (strcmp(request, "unmap") == 0) broken = each_part(unmap_part);
  else if (sscanf(request, "together %zu", &n) == 1) broken = together(n);
  else if (strcmp(request, "orphan") == 0) {
    fprintf(reply, "{\"pid\":%d}", (int)orphan(control_path));
    return;
  } else if (strcmp(request, "read") == 0 || strcmp(request, "align") == 0) {
    const bool read = *request == 'r';
    pthread_t thread;
    if (pthread_create(&thread, NULL, read ? read_for_ever : wait_aligned, NULL) != 0) die("pthread_create");
    pthread_detach(thread);
    fprintf(reply, "{\"%s\":true}", read ? "reading" : "aligned");
    return;
  } else {
    fprintf(reply, "{\"error\":\"unknown request\"}");
    return;
  }
  fprintf(reply, "{\"broken\":%zu}", broken);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  clean_start();
  control_path = argv[1];
  pages = strtoul(argv[2], NULL, 10) * (1UL << 20) / PAGE;
  arena = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (arena == MAP_FAILED) die("mmap");
  fill(arena, 0, pages);
  control_serve(argv[1], answer);
}
