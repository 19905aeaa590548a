// job CONTROL
//
// A job of a shell: answers each line that is typed with its number, and keeps the terminal as it found and set it.
//   verify   {"checks":n,"failed":[...]}
//   lines    {"lines"}
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "target.h"

static _Atomic unsigned lines;

static bool terminal(void) { return isatty(0) && isatty(1) && isatty(2); }
static bool foreground(void) { return tcgetpgrp(0) == getpgrp(); }
static bool controlling(void) { return tcgetsid(0) == getsid(0); }
static bool settings(void) {
  struct termios now_set;
  return tcgetattr(0, &now_set) == 0 && !(now_set.c_lflag & ECHO) && (now_set.c_lflag & ICANON) && now_set.c_cc[VEOF] == 7;
}
static bool size(void) {
  struct winsize window;
  return ioctl(0, TIOCGWINSZ, &window) == 0 && window.ws_row == 33 && window.ws_col == 132;
}

static const struct check {
  const char *name;
  bool (*holds)(void);
} checks[] = {{"terminal", terminal}, {"foreground", foreground}, {"controlling", controlling}, {"settings", settings}, {"size", size}};
#define CHECKS (sizeof checks / sizeof *checks)

static void answer(const char *request, FILE *reply) {
  if (strcmp(request, "verify") == 0) {
    const char *comma = "";
    fprintf(reply, "{\"checks\":%zu,\"failed\":[", CHECKS);
    for (size_t i = 0; i < CHECKS; i++)
      if (!checks[i].holds()) {
        fprintf(reply, "%s\"job: %s\"", comma, checks[i].name);
        comma = ",";
      }
    fprintf(reply, "]}");
  } else if (strcmp(request, "lines") == 0) {
    fprintf(reply, "{\"lines\":%u}", lines);
  } else {
    fprintf(reply, "{\"error\":\"unknown request\"}");
  }
}

static void *serve(void *path) { control_serve(path, answer); }

int main(int argc, char **argv) {
  pthread_t thread;
  struct termios wanted;
  char line[256];
  if (argc != 2) return 2;
  clean_start();
  MUST(tcgetattr(0, &wanted));
  wanted.c_lflag &= ~(tcflag_t)ECHO;
  wanted.c_cc[VEOF] = 7;
  MUST(tcsetattr(0, TCSANOW, &wanted));
  if (pthread_create(&thread, NULL, serve, argv[1]) != 0) die("pthread_create");
  for (;;) {
    const ssize_t n = read(0, line, sizeof line - 1);
    if (n <= 0) return 0;
    line[n] = '\0';
    line[strcspn(line, "\n")] = '\0';
    dprintf(1, "job has line %u: %s\n", ++lines, line);
  }
}
