#include "target.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

_Noreturn void die(const char *what) {
  fprintf(stderr, "target %d: %s: %s\n", (int)getpid(), what, strerror(errno));
  _exit(99);
}

void clean_start(void) { MUST(close_range(3, ~0U, 0)); }

int control_listen(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    die(path);
  }
  strcpy(address.sun_path, path);
  unlink(path);
  const int listener = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  MUST(bind(listener, (struct sockaddr *)&address, sizeof address));
  MUST(listen(listener, 8));
  return listener;
}

static void read_line(int fd, char *line, size_t size) {
  size_t have = 0;
  while (have + 1 < size) {
    const ssize_t n = read(fd, line + have, size - 1 - have);
    if (n <= 0) break;
    have += (size_t)n;
    if (line[have - 1] == '\n') break;
  }
  line[have] = '\0';
  line[strcspn(line, "\n")] = '\0';
}

void control_answer(int listener, answer_fn answer) {
  static char reply[REPLY_SIZE];
  char request[256];
  const int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (peer == -1) return;  // EINTR by a signal that the target handles
  read_line(peer, request, sizeof request);
  FILE *out = fmemopen(reply, sizeof reply, "w");
  if (strcmp(request, "pid") == 0)
    fprintf(out, "{\"pid\":%d}", (int)getpid());
  else if (strncmp(request, "exit ", 5) == 0)
    fprintf(out, "{\"exit\":%d}", atoi(request + 5));
  else
    answer(request, out);
  fputc('\n', out);
  const long length = ftell(out);
  fclose(out);
  // An asker that went away is no reason to die.
  (void)send(peer, reply, (size_t)length, MSG_NOSIGNAL);
  close(peer);
  if (strncmp(request, "exit ", 5) == 0) _exit(atoi(request + 5));
}

_Noreturn void control_serve(const char *path, answer_fn answer) {
  const int listener = control_listen(path);
  for (;;) control_answer(listener, answer);
}

uint64_t pattern(uint64_t page, uint64_t generation, uint64_t word) {
  uint64_t x = page * 0x9e3779b97f4a7c15UL + generation * 0xd1b54a32d192ed03UL + word + 1;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9UL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebUL;
  return x ^ (x >> 31);
}

uint64_t digest(uint64_t seed, const void *from, size_t bytes) {
  const uint64_t *words = from;
  uint64_t hash = seed;
  for (size_t i = 0; i < bytes / sizeof *words; i++) hash = (hash ^ words[i]) * 0x100000001b3UL;
  return hash;
}

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void sleep_ms(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&t, &t) == -1 && errno == EINTR) continue;
}

int carry(const struct pollfd *from, int to) {
  char buffer[4096];
  if (!(from->revents & (POLLIN | POLLHUP))) return 1;
  const ssize_t n = read(from->fd, buffer, sizeof buffer);
  if (n <= 0) return 0;
  for (ssize_t done = 0; done < n;) {
    const ssize_t written = write(to, buffer + done, (size_t)(n - done));
    if (written <= 0) return 0;
    done += written;
  }
  return 1;
}
