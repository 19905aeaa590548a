// frazil-answers.so: loaded into a CRIU whose /run is no tmpfs, it keeps /run/criu.kdat elsewhere. src/rpc/kept-answers.ts says where and why.
//
// In that file CRIU keeps what it has found out about the kernel (criu/kerndat.c), and trusts it until the next boot: so it writes it on a
// tmpfs only, and asks again at each start where there is none. No option names another file, and a mount namespace with a tmpfs for CRIU would
// be the restored tree's as well. Nothing but these paths is touched: three calls are passed on as they came.

#define _GNU_SOURCE
// A builder may define these (node-gyp does the first); then <fcntl.h> makes open() another name for open64(), or has a body for it.
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static const char kAnswers[] = "/run/criu.kdat";
// Written under this name, and then renamed.
static const char kFresh[] = "/run/criu.kdat.tmp";

// Empty: nothing is kept.
static char answers[PATH_MAX];
static char fresh[PATH_MAX];

// What CRIU starts itself (iptables, tar, scripts) is none of our business.
__attribute__((constructor)) static void begin(void) {
  const char* place = getenv("FRAZIL_ANSWERS");
  // A name of its own for each process: one that is killed before it has renamed its file keeps nobody else from writing one.
  if (place != NULL && strlen(place) + 32 < sizeof answers) {
    (void)snprintf(answers, sizeof answers, "%s/criu.kdat", place);
    (void)snprintf(fresh, sizeof fresh, "%s/criu.kdat.%d", place, (int)getpid());
  }
  (void)unsetenv("FRAZIL_ANSWERS");
  (void)unsetenv("LD_PRELOAD");
}

static const char* place_of(const char* path) {
  if (path == NULL || answers[0] == '\0') return path;
  if (strcmp(path, kAnswers) == 0) return answers;
  return strcmp(path, kFresh) == 0 ? fresh : path;
}

static int open_at_place(const char* path, int flags, mode_t mode) {
  return openat(AT_FDCWD, place_of(path), flags, mode);
}

// open(2) has a third argument with these flags only.
static int takes_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

EXPORTED int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (takes_mode(flags)) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  return open_at_place(path, flags, mode);
}

EXPORTED int open64(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (takes_mode(flags)) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  return open_at_place(path, flags | O_LARGEFILE, mode);
}

EXPORTED int unlink(const char* path) { return unlinkat(AT_FDCWD, place_of(path), 0); }

EXPORTED int rename(const char* from, const char* to) {
  return renameat(AT_FDCWD, place_of(from), AT_FDCWD, place_of(to));
}
