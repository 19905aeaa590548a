// The baseline of the `version` scenarios: what CRIU itself costs, driven by hand from C with nothing in between.
//
//   version CRIU SESSIONS EXCHANGES
//
// Each session is fork, exec of `criu swrk 3`, one VERSION request, its answer, close, wait. Then one more session with keep_open does
// EXCHANGES round trips. Prints one JSON object: microseconds per session and per round trip, and the last answer in hex.
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { kAnswer = 64 * 1024 };

// criu_req {1: type = VERSION (10)}, and the same with {4: keep_open = true}: the bytes that Frazil's session sends.
static const uint8_t kVersion[] = {0x08, 0x0a};
static const uint8_t kVersionKeepOpen[] = {0x08, 0x0a, 0x20, 0x01};

struct Swrk {
  int socket;
  pid_t pid;
};

static uint8_t answer[kAnswer];

static void die(const char *what) {
  fprintf(stderr, "version: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct Swrk start(const char *criu) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) die("socketpair");
  const pid_t pid = fork();
  if (pid == -1) die("fork");
  if (pid == 0) {
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0), dup2(null, 1), dup2(null, 2);
    if (pair[1] == 3) fcntl(3, F_SETFD, 0);
    else dup2(pair[1], 3);
    execl(criu, criu, "swrk", "3", (char *)NULL);
    _exit(127);
  }
  close(pair[1]);
  return (struct Swrk){pair[0], pid};
}

static ssize_t exchange(int fd, const uint8_t *request, size_t length) {
  if (send(fd, request, length, MSG_NOSIGNAL) != (ssize_t)length) die("send");
  const ssize_t n = recv(fd, answer, sizeof answer, 0);
  if (n <= 0) die("recv");
  return n;
}

static void end(struct Swrk swrk) {
  close(swrk.socket);
  if (waitpid(swrk.pid, NULL, 0) == -1) die("waitpid");
}

static ssize_t time_sessions(const char *criu, int count) {
  ssize_t length = 0;
  printf("{\"session\":[");
  for (int i = 0; i < count; i++) {
    const double began = now_us();
    const struct Swrk swrk = start(criu);
    length = exchange(swrk.socket, kVersion, sizeof kVersion);
    end(swrk);
    printf("%s%.1f", i == 0 ? "" : ",", now_us() - began);
  }
  return length;
}

static void time_exchanges(const char *criu, int count) {
  const struct Swrk swrk = start(criu);
  printf("],\"exchange\":[");
  for (int i = 0; i < count; i++) {
    const double began = now_us();
    (void)exchange(swrk.socket, kVersionKeepOpen, sizeof kVersionKeepOpen);
    printf("%s%.1f", i == 0 ? "" : ",", now_us() - began);
  }
  end(swrk);
}

int main(int argc, char **argv) {
  if (argc != 4) return fputs("usage: version CRIU SESSIONS EXCHANGES\n", stderr), 2;
  const ssize_t length = time_sessions(argv[1], atoi(argv[2]));
  time_exchanges(argv[1], atoi(argv[3]));
  printf("],\"answerHex\":\"");
  for (ssize_t i = 0; i < length; i++) printf("%02x", answer[i]);
  printf("\"}\n");
  return 0;
}
