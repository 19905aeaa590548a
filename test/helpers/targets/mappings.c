// mappings CONTROL DIRECTORY
//
// A parent and two children that share memory copy-on-write and hold one mapping of each kind that a dump treats in its own
// way. Same questions as `tree`:
//   verify   {"checks":n,"failed":[...]}
//   spoil    {}
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "target.h"

enum who { PARENT = 1, WRITER = 2, READER = 4, ALL = 7 };
static enum who self = PARENT;

#define MEGABYTE (1UL << 20)
#define COW_PAGES (8 * MEGABYTE / PAGE)

static void *map(size_t size, int protection, int flags) {
  void *at = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (at == MAP_FAILED) die("mmap");
  return at;
}
static void *memory(size_t size) { return map(size, PROT_READ | PROT_WRITE, 0); }

static void fill(void *at, size_t page, uint64_t generation) {
  uint64_t *words = (uint64_t *)((char *)at + page * PAGE);
  for (size_t i = 0; i < WORDS; i++) words[i] = pattern(page, generation, i);
}
static void fill_all(void *at, size_t size, uint64_t generation) {
  for (size_t page = 0; page < size / PAGE; page++) fill(at, page, generation);
}
static bool holds(const void *at, size_t page, uint64_t generation) {
  const uint64_t *words = (const uint64_t *)((const char *)at + page * PAGE);
  for (size_t i = 0; i < WORDS; i++)
    if (words[i] != pattern(page, generation, i)) return false;
  return true;
}
static bool holds_all(const void *at, size_t size, uint64_t generation) {
  for (size_t page = 0; page < size / PAGE; page++)
    if (!holds(at, page, generation)) return false;
  return true;
}

// What /proc/self/smaps says about the mapping that holds `at`.
struct mapping {
  char permissions[8], flags[512];
  unsigned long shared_kb;
};
static struct mapping mapping_of(const void *at) {
  struct mapping found = {0};
  char line[512];
  unsigned long from, to, kb;
  bool inside = false;
  FILE *smaps = fopen("/proc/self/smaps", "re");
  while (smaps != NULL && fgets(line, sizeof line, smaps) != NULL) {
    char permissions[8];
    if (sscanf(line, "%lx-%lx %7s", &from, &to, permissions) == 3) {
      inside = from <= (unsigned long)at && (unsigned long)at < to;
      if (inside) memcpy(found.permissions, permissions, sizeof permissions);
    } else if (inside && sscanf(line, "Shared_Dirty: %lu", &kb) == 1) {
      found.shared_kb += kb;
    } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
      snprintf(found.flags, sizeof found.flags, "%s", line + 8);
    }
  }
  if (smaps != NULL) fclose(smaps);
  return found;
}
static bool flagged(const void *at, const char *flag) { return strstr(mapping_of(at).flags, flag) != NULL; }
static bool readable(const void *at) {
  int ends[2];
  MUST(pipe(ends));
  const bool ok = write(ends[1], at, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return ok;
}

// --- the mappings ------------------------------------------------------------------------------------------------------

static char *cow, *guarded, *hidden, *constant, *locked, *huge, *no_huge, *not_forked, *not_dumped, *zeros, *reserved, *file_private,
    *file_shared, *growing_down, *executable;

static void map_files(const char *directory) {
  char path[512];
  snprintf(path, sizeof path, "%s/mapped", directory);
  const int file = MUST(open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600));
  MUST(ftruncate(file, MEGABYTE));
  file_shared = mmap(NULL, MEGABYTE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  file_private = mmap(NULL, MEGABYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  if (file_shared == MAP_FAILED || file_private == MAP_FAILED) die("mmap");
  fill_all(file_shared, MEGABYTE, 50);
  fill(file_private, 3, 51);
  fill(file_private, 77, 51);
  close(file);
}

static void map_all(const char *directory) {
  cow = memory(COW_PAGES * PAGE);
  fill_all(cow, COW_PAGES * PAGE, 1);
  madvise(cow, COW_PAGES * PAGE, MADV_NOHUGEPAGE);
  guarded = map(18 * PAGE, PROT_NONE, 0);
  MUST(mprotect(guarded + PAGE, 16 * PAGE, PROT_READ | PROT_WRITE));
  fill_all(guarded + PAGE, 16 * PAGE, 2);
  hidden = memory(MEGABYTE);
  fill_all(hidden, MEGABYTE, 3);
  MUST(mprotect(hidden, MEGABYTE, PROT_NONE));
  constant = memory(MEGABYTE);
  fill_all(constant, MEGABYTE, 4);
  MUST(mprotect(constant, MEGABYTE, PROT_READ));
  executable = memory(PAGE);
  memcpy(executable, "\xb8\x2a\x00\x00\x00\xc3", 6);  // mov eax, 42; ret
  MUST(mprotect(executable, PAGE, PROT_READ | PROT_EXEC));
  locked = memory(MEGABYTE);
  MUST(mlock(locked, MEGABYTE));
  fill_all(locked, MEGABYTE, 5);
  huge = memory(10 * MEGABYTE);
  MUST(madvise(huge, 10 * MEGABYTE, MADV_HUGEPAGE));
  fill_all(huge, 10 * MEGABYTE, 6);
  no_huge = memory(4 * MEGABYTE);
  MUST(madvise(no_huge, 4 * MEGABYTE, MADV_NOHUGEPAGE));
  for (size_t page = 0; page < 4 * MEGABYTE / PAGE; page += 2) fill(no_huge, page, 7);  // every second page is a hole
  not_forked = memory(MEGABYTE);
  MUST(madvise(not_forked, MEGABYTE, MADV_DONTFORK));
  fill_all(not_forked, MEGABYTE, 8);
  not_dumped = memory(MEGABYTE);
  MUST(madvise(not_dumped, MEGABYTE, MADV_DONTDUMP));
  fill_all(not_dumped, MEGABYTE, 9);
  zeros = memory(4 * MEGABYTE);
  memset(zeros, 0, MEGABYTE);
  reserved = map(1UL << 34, PROT_NONE, MAP_NORESERVE);
  growing_down = map(MEGABYTE, PROT_READ | PROT_WRITE, MAP_GROWSDOWN);
  fill_all(growing_down, MEGABYTE, 10);
  map_files(directory);
}

// The writer changes every second page of the first half after the fork, the parent the last 16 pages, the reader none.
static uint64_t cow_generation(size_t page) {
  if (self == WRITER && page < COW_PAGES / 2 && page % 2 == 0) return 100;
  if (self == PARENT && page >= COW_PAGES - 16) return 101;
  return 1;
}
static void write_own_pages(void) {
  for (size_t page = 0; page < COW_PAGES; page++)
    if (cow_generation(page) != 1) fill(cow, page, cow_generation(page));
}

static bool copy_on_write(void) {
  for (size_t page = 0; page < COW_PAGES; page++)
    if (!holds(cow, page, cow_generation(page))) return false;
  return true;
}
// Restored pages must be shared again and not only equal: else a tree of forked workers comes back many times as large.
static bool still_shared(void) { return mapping_of(cow).shared_kb >= COW_PAGES * PAGE / 1024 / 2; }
static bool guard_pages(void) {
  return holds_all(guarded + PAGE, 16 * PAGE, 2) && !readable(guarded) && !readable(guarded + 17 * PAGE);
}
static bool hidden_memory(void) {
  if (readable(hidden)) return false;
  MUST(mprotect(hidden, MEGABYTE, PROT_READ));
  const bool ok = holds_all(hidden, MEGABYTE, 3);
  MUST(mprotect(hidden, MEGABYTE, PROT_NONE));
  return ok;
}
static bool constant_memory(void) { return strcmp(mapping_of(constant).permissions, "r--p") == 0 && holds_all(constant, MEGABYTE, 4); }
static bool code(void) { return ((int (*)(void))(void *)executable)() == 42; }
// A lock is not inherited by fork.
static bool locked_memory(void) { return flagged(locked, " lo") == (self == PARENT) && holds_all(locked, MEGABYTE, 5); }
static bool huge_memory(void) { return flagged(huge, " hg") && holds_all(huge, 10 * MEGABYTE, 6); }
static bool memory_with_holes(void) {
  for (size_t page = 0; page < 4 * MEGABYTE / PAGE; page++)
    if (page % 2 == 0 ? !holds(no_huge, page, 7) : *(uint64_t *)(no_huge + page * PAGE) != 0) return false;
  return flagged(no_huge, " nh");
}
static bool not_forked_memory(void) {
  if (self != PARENT) return !readable(not_forked);
  return flagged(not_forked, " dc") && holds_all(not_forked, MEGABYTE, 8);
}
static bool not_dumped_memory(void) { return flagged(not_dumped, " dd") && holds_all(not_dumped, MEGABYTE, 9); }
static bool zero_memory(void) {
  for (size_t word = 0; word < 4 * MEGABYTE / 8; word++)
    if (((uint64_t *)zeros)[word] != 0) return false;
  return true;
}
static bool reserved_memory(void) { return !readable(reserved) && strcmp(mapping_of(reserved).permissions, "---p") == 0; }
static bool downward_memory(void) { return flagged(growing_down, " gd") && holds_all(growing_down, MEGABYTE, 10); }
static bool private_file(void) {
  for (size_t page = 0; page < MEGABYTE / PAGE; page++)
    if (!holds(file_private, page, page == 3 || page == 77 ? 51 : 50)) return false;
  return true;
}
static bool shared_file(void) { return holds_all(file_shared, MEGABYTE, 50); }

static const struct check {
  const char *name;
  enum who who;
  bool (*holds)(void);
} checks[] = {
    {"copy on write", ALL, copy_on_write},    {"still shared", READER | PARENT, still_shared},
    {"guard pages", ALL, guard_pages},        {"PROT_NONE with contents", ALL, hidden_memory},
    {"read-only", ALL, constant_memory},      {"code", ALL, code},
    {"locked", ALL, locked_memory},           {"huge pages", ALL, huge_memory},
    {"holes", ALL, memory_with_holes},        {"MADV_DONTFORK", ALL, not_forked_memory},
    {"MADV_DONTDUMP", ALL, not_dumped_memory}, {"zeros", ALL, zero_memory},
    {"reserved", ALL, reserved_memory},       {"MAP_GROWSDOWN", ALL, downward_memory},
    {"private file", ALL, private_file},      {"shared file", ALL, shared_file},
};
#define CHECKS (sizeof checks / sizeof *checks)

static uint64_t failures(void) {
  uint64_t failed = 0;
  for (size_t i = 0; i < CHECKS; i++)
    if ((checks[i].who & self) && !checks[i].holds()) failed |= 1UL << i;
  return failed;
}

static int links[2][2];

static void start_child(int index, enum who who) {
  MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, links[index]));
  if (MUST(fork()) != 0) return;
  self = who;
  write_own_pages();
  char question = 'r';
  MUST(send(links[index][1], &question, 1, 0));
  while (recv(links[index][1], &question, 1, 0) == 1) {
    const uint64_t failed = failures();
    MUST(send(links[index][1], &failed, sizeof failed, 0));
  }
  _exit(0);
}

static int report(FILE *reply, const char *who, uint64_t failed, int already) {
  for (size_t i = 0; i < CHECKS; i++)
    if (failed >> i & 1) fprintf(reply, "%s\"%s: %s\"", already++ ? "," : "", who, checks[i].name);
  return already;
}

static void verify(FILE *reply) {
  static const char *const names[] = {"writer", "reader"};
  size_t count = 0;
  for (size_t i = 0; i < CHECKS; i++) count += (size_t)__builtin_popcount(checks[i].who);
  fprintf(reply, "{\"checks\":%zu,\"failed\":[", count);
  int listed = report(reply, "parent", failures(), 0);
  for (size_t i = 0; i < 2; i++) {
    uint64_t failed = ~0UL;
    MUST(send(links[i][0], "?", 1, 0));
    MUST(recv(links[i][0], &failed, sizeof failed, 0));
    listed = report(reply, names[i], failed, listed);
  }
  fprintf(reply, "]}");
}

static void spoil(void) {
  cow[5 * PAGE + 17]++;
  MUST(mprotect(guarded, PAGE, PROT_READ));
  MUST(munlock(locked, MEGABYTE));
  huge[3 * MEGABYTE]++;
  zeros[2 * MEGABYTE]++;
  file_private[4 * PAGE]++;
}

static void answer(const char *request, FILE *reply) {
  if (strcmp(request, "verify") == 0) {
    verify(reply);
  } else if (strcmp(request, "spoil") == 0) {
    spoil();
    fprintf(reply, "{}");
  } else {
    fprintf(reply, "{\"error\":\"unknown request\"}");
  }
}

int main(int argc, char **argv) {
  char ready;
  if (argc != 3) return 2;
  clean_start();
  map_all(argv[2]);
  start_child(0, WRITER);
  start_child(1, READER);
  for (int i = 0; i < 2; i++) MUST(recv(links[i][0], &ready, 1, 0));
  write_own_pages();
  control_serve(argv[1], answer);
}
