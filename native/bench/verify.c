// Reads the memory of one task back out of an images directory, as CRIU's restore would, and prints what the target would print:
//
//   verify IMAGES_DIR PID ADDRESS PAGES   ->   DIGEST FIRST_GENERATION LAST_GENERATION CUT PRESENT ABSENT PARENT
//
// A page that no pagemap entry covers is zero; one marked PARENT is looked up in the directory behind the link `parent`. The parser is
// this program's own on purpose: a harness that read the images through the code under test would believe its mistakes.
// Formats: pagemap-PID.img is magic, magic, then (u32 length, protobuf)*, the first entry {1: pages_id}, the others
// {1: vaddr, 2: nr_pages, 3: in_parent, 4: flags, 5: nr_pages of CRIU >= 4.2}; pages-N.img is the present pages in that order.

#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kParent = 1, kPresent = 4, kMaxEntry = 4096, kMaxDepth = 64, kChunkPages = 256 };

struct Run {
  uint64_t address, pages, flags, offset;
};

struct Level {
  int pages_fd;
  struct Run *runs;
  size_t count;
  struct Level *parent;
};

struct Totals {
  uint64_t digest, index, present, absent, parent;
  struct Cut cut;
};

static void die(const char *what) {
  fprintf(stderr, "verify: %s: %s\n", what, errno != 0 ? strerror(errno) : "malformed");
  exit(1);
}

static uint64_t varint(const uint8_t **at, const uint8_t *end) {
  uint64_t value = 0;
  for (int shift = 0; *at < end && shift < 64; shift += 7) {
    const uint8_t byte = *(*at)++;
    value |= (uint64_t)(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  errno = 0;
  die("pagemap entry");
  return 0;
}

// Fields 1 to 5, all of them varints; `seen` has a bit per field.
static unsigned parse(const uint8_t *at, size_t length, uint64_t fields[6]) {
  const uint8_t *end = at + length;
  unsigned seen = 0;
  while (at < end) {
    const uint64_t key = varint(&at, end), value = varint(&at, end);
    errno = 0;
    if ((key & 7) != 0) die("pagemap entry");
    if (key >> 3 < 6) fields[key >> 3] = value, seen |= 1u << (key >> 3);
  }
  return seen;
}

static int next_entry(FILE *file, uint64_t fields[6], unsigned *seen) {
  uint32_t length;
  uint8_t entry[kMaxEntry];
  errno = 0;
  const size_t got = fread(&length, 1, sizeof length, file);
  if (got == 0) return 0;
  if (got != sizeof length || length > kMaxEntry || fread(entry, 1, length, file) != length) die("pagemap");
  memset(fields, 0, 6 * sizeof *fields);
  *seen = parse(entry, length, fields);
  return 1;
}

static uint64_t run_flags(const uint64_t fields[6], unsigned seen) {
  if ((seen & 1u << 4) != 0) return fields[4] | (fields[3] != 0 ? kParent : 0);
  return fields[3] != 0 ? kParent : kPresent;
}

static void read_runs(struct Level *level, FILE *file) {
  uint64_t fields[6], offset = 0, behind = 0;
  unsigned seen;
  size_t room = 0;
  while (next_entry(file, fields, &seen)) {
    if (level->count == room) level->runs = realloc(level->runs, (room = room * 2 + 64) * sizeof *level->runs);
    if (level->runs == NULL) die("realloc");
    const uint64_t pages = (seen & 1u << 5) != 0 ? fields[5] : fields[2];
    struct Run run = {fields[1], pages, run_flags(fields, seen), offset};
    errno = 0;
    if (run.address % kPageBytes != 0 || run.address < behind || pages > (UINT64_MAX - run.address) / kPageBytes) die("pagemap order");
    behind = run.address + pages * kPageBytes;
    if ((run.flags & kPresent) != 0) offset += pages * kPageBytes;
    level->runs[level->count++] = run;
  }
  struct stat st;
  errno = 0;
  if (fstat(level->pages_fd, &st) == -1 || (uint64_t)st.st_size != offset) die("pages file has not the size that its pagemap says");
}

static struct Level *open_level(const char *dir, const char *pid, int depth) {
  char path[4096];
  struct Level *level = calloc(1, sizeof *level);
  if (level == NULL || depth > kMaxDepth) die("parent chain");
  snprintf(path, sizeof path, "%s/pagemap-%s.img", dir, pid);
  FILE *file = fopen(path, "re");
  if (file == NULL && depth > 0 && errno == ENOENT) return level->pages_fd = -1, level;  // the task is younger than this parent
  if (file == NULL) die(path);
  uint64_t head[6];
  unsigned seen;
  if (fseek(file, 8, SEEK_SET) != 0 || !next_entry(file, head, &seen)) die(path);
  snprintf(path, sizeof path, "%s/pages-%" PRIu64 ".img", dir, head[1]);
  level->pages_fd = open(path, O_RDONLY | O_CLOEXEC);
  if (level->pages_fd == -1) die(path);
  read_runs(level, file);
  fclose(file);
  snprintf(path, sizeof path, "%s/parent", dir);
  if (access(path, F_OK) == 0) level->parent = open_level(path, pid, depth + 1);
  return level;
}

static void take(struct Totals *totals, const uint64_t *page) {
  totals->digest = arena_digest(totals->digest, page_digest(page), totals->index++);
  cut_add(&totals->cut, page[0]);
}

static void take_zeros(struct Totals *totals, uint64_t pages) {
  static const uint64_t zeros[kPageWords];
  totals->absent += pages;
  while (pages-- > 0) take(totals, zeros);
}

static void take_present(struct Totals *totals, int fd, uint64_t offset, uint64_t pages) {
  static uint64_t chunk[kChunkPages * kPageWords];
  totals->present += pages;
  while (pages > 0) {
    const uint64_t now = pages < kChunkPages ? pages : kChunkPages;
    errno = 0;
    if (pread(fd, chunk, now * kPageBytes, (off_t)offset) != (ssize_t)(now * kPageBytes)) die("pages file");
    for (uint64_t i = 0; i < now; i++) take(totals, chunk + i * kPageWords);
    offset += now * kPageBytes;
    pages -= now;
  }
}

// The first run that ends behind `at`: pagemaps are sorted, and a chain of parents is asked once per run.
static size_t first_behind(const struct Level *level, uint64_t at) {
  size_t low = 0, high = level->count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const struct Run *run = &level->runs[middle];
    if (run->address + run->pages * kPageBytes <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

static void take_range(struct Totals *totals, const struct Level *level, uint64_t at, uint64_t end) {
  for (size_t i = level == NULL ? 0 : first_behind(level, at); level != NULL && i < level->count && at < end; i++) {
    const struct Run run = level->runs[i];
    const uint64_t run_end = run.address + run.pages * kPageBytes;
    if (run.address >= end) break;
    if (run.address > at) take_zeros(totals, (run.address - at) / kPageBytes), at = run.address;
    const uint64_t stop = run_end < end ? run_end : end;
    if ((run.flags & kPresent) != 0) {
      take_present(totals, level->pages_fd, run.offset + (at - run.address), (stop - at) / kPageBytes);
    } else if ((run.flags & kParent) != 0) {
      totals->parent += (stop - at) / kPageBytes;
      take_range(totals, level->parent, at, stop);
    } else {
      take_zeros(totals, (stop - at) / kPageBytes);  // lazy: not in this directory, and so wrong unless it was zero
    }
    at = stop;
  }
  if (at < end) take_zeros(totals, (end - at) / kPageBytes);
}

int main(int argc, char **argv) {
  if (argc != 5) return fputs("usage: verify IMAGES_DIR PID ADDRESS PAGES\n", stderr), 2;
  const uint64_t address = strtoull(argv[3], NULL, 16), pages = strtoull(argv[4], NULL, 10);
  const struct Level *level = open_level(argv[1], argv[2], 0);
  struct Totals totals = {0};
  take_range(&totals, level, address, address + pages * kPageBytes);
  printf("%016" PRIx64 " %" PRIu64 " %" PRIu64 " %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", totals.digest, totals.cut.first,
         totals.cut.last, totals.cut.broken ? "broken" : "ok", totals.present, totals.absent, totals.parent);
  return 0;
}
