// shared CONTROL MEGABYTES
//
// A tree of three processes that share memory in three ways: anonymous, a memfd, System V (which needs an ipc namespace of the tree's own).
// Each process has filled a third of each object, so that no page is mapped by two of them, and goes on counting in the first page of it. Questions:
//   verify   {"objects","pages","broken","counting"}   pages that do not hold what they should; counters that others have been seen to advance
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>

#include "target.h"

#define OBJECTS 3
#define TASKS 3

static uint64_t *objects[OBJECTS];
static size_t pages;

static size_t first_of(size_t task) { return pages * task / TASKS; }

static uint64_t word_of(size_t object, size_t page, size_t word) { return pattern(object << 32 | page, 0, word); }

// All but the first word, which in some pages is a counter.
static void fill(size_t task) {
  for (size_t object = 0; object < OBJECTS; object++)
    for (size_t page = first_of(task); page < first_of(task + 1); page++)
      for (size_t i = 1; i < WORDS; i++) objects[object][page * WORDS + i] = word_of(object, page, i);
}

static uint64_t *counter(size_t object, size_t task) { return objects[object] + first_of(task) * WORDS; }

static void count(size_t task) {
  for (size_t object = 0; object < OBJECTS; object++) __atomic_fetch_add(counter(object, task), 1, __ATOMIC_RELAXED);
}

static _Noreturn void work(size_t task) {
  MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
  fill(task);
  for (;;) {
    count(task);
    sleep_ms(2);
  }
}

static size_t broken_pages(void) {
  size_t broken = 0;
  for (size_t object = 0; object < OBJECTS; object++)
    for (size_t page = 0; page < pages; page++)
      for (size_t i = 1; i < WORDS; i++)
        if (objects[object][page * WORDS + i] != word_of(object, page, i)) {
          broken++;
          break;
        }
  return broken;
}

// Waits a while for each of the children's.
static size_t counting(void) {
  size_t seen = 0;
  for (size_t object = 0; object < OBJECTS; object++)
    for (size_t task = 1; task < TASKS; task++) {
      const uint64_t *at = counter(object, task), before = __atomic_load_n(at, __ATOMIC_RELAXED);
      for (int i = 0; i < 500 && __atomic_load_n(at, __ATOMIC_RELAXED) == before; i++) sleep_ms(2);
      seen += __atomic_load_n(at, __ATOMIC_RELAXED) != before;
    }
  return seen;
}

static void answer(const char *request, FILE *reply) {
  if (strcmp(request, "verify") == 0)
    fprintf(reply, "{\"objects\":%d,\"pages\":%zu,\"broken\":%zu,\"counting\":%zu}", OBJECTS, pages * OBJECTS, broken_pages(), counting());
}

static void share(size_t bytes) {
  const int both = PROT_READ | PROT_WRITE;
  objects[0] = mmap(NULL, bytes, both, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const int file = MUST(memfd_create("frazil-shared", MFD_CLOEXEC));
  MUST(ftruncate(file, (off_t)bytes));
  objects[1] = mmap(NULL, bytes, both, MAP_SHARED, file, 0);
  if (objects[0] == MAP_FAILED || objects[1] == MAP_FAILED) die("mmap");
  MUST(close(file));
  const int id = MUST(shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600));
  objects[2] = shmat(id, NULL, 0);
  if (objects[2] == (void *)-1) die("shmat");
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  clean_start();
  const size_t bytes = strtoul(argv[2], NULL, 10) << 20;
  pages = bytes / PAGE;
  share(bytes);
  for (size_t task = 1; task < TASKS; task++)
    if (MUST(fork()) == 0) work(task);
  fill(0);
  control_serve(argv[1], answer);
}
