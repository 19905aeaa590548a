// One file over TCP, for scripts on hosts where there is neither ssh nor nc: `carry take PORT > FILE`, `carry give ADDRESS PORT < FILE`.
// The giver tries until the taker listens, and both end when the taker has everything.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kBufferBytes = 1 << 20, kTries = 5000 };
static const struct timespec kPause = {0, 2000000};

static void die(const char *what) {
  fprintf(stderr, "carry: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void copy(int from, int to) {
  static char buffer[kBufferBytes];
  for (ssize_t got; (got = read(from, buffer, sizeof buffer)) != 0;) {
    if (got == -1) die("read");
    for (ssize_t done = 0, n; done < got; done += n)
      if ((n = write(to, buffer + done, (size_t)(got - done))) == -1) die("write");
  }
}

static int open_socket(void) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd == -1) die("socket");
  return fd;
}

static int take(struct sockaddr_in at) {
  const int listener = open_socket(), yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) == -1 || listen(listener, 1) == -1) die("listen");
  const int peer = accept(listener, NULL, NULL);
  if (peer == -1) die("accept");
  copy(peer, 1);
  return 0;
}

static int give(struct sockaddr_in at) {
  for (int i = 0; i < kTries; i++) {
    const int fd = open_socket();
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) {
      copy(0, fd);
      char byte;
      if (shutdown(fd, SHUT_WR) == -1 || read(fd, &byte, 1) == -1) die("shutdown");
      return 0;
    }
    close(fd);
    nanosleep(&kPause, NULL);
  }
  die("connect");
  return 1;
}

int main(int argc, char **argv) {
  const int giving = argc == 4 && strcmp(argv[1], "give") == 0;
  if (!giving && !(argc == 3 && strcmp(argv[1], "take") == 0))
    return fputs("usage: carry take PORT | carry give ADDRESS PORT\n", stderr), 2;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[argc - 1]))};
  if (giving && inet_pton(AF_INET, argv[2], &at.sin_addr) != 1) return fputs("carry: no address\n", stderr), 2;
  return giving ? give(at) : take(at);
}
