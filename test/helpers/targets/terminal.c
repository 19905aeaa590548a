// terminal PROGRAM ARGUMENTS...
//
// Runs PROGRAM as the leader of a session on a new terminal, and carries bytes between that terminal and its own standard
// input and output: the place of an ssh or an xterm. Ends when the program does, with its exit status; killed, it hangs up.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "target.h"

_Noreturn static void be_leader(const char *name, char **arguments) {
  MUST(setsid());
  const int slave = MUST(open(name, O_RDWR));  // a session leader without a terminal gets the first it opens
  MUST(ioctl(slave, TIOCSWINSZ, &(struct winsize){.ws_row = 33, .ws_col = 132}));
  for (int fd = 0; fd < 3; fd++) MUST(dup2(slave, fd));
  clean_start();
  execvp(arguments[0], arguments);
  die("execvp");
}

int main(int argc, char **argv) {
  int status = 0;
  if (argc < 2) return 2;
  clean_start();
  const int master = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  MUST(grantpt(master));
  MUST(unlockpt(master));
  const pid_t leader = MUST(fork());
  if (leader == 0) be_leader(ptsname(master), argv + 1);
  struct pollfd ends[2] = {{.fd = master, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
  for (;;) {
    // A terminal that nobody has open says POLLHUP all the time, also before the leader opened it: look again in a while.
    if (poll(ends, 2, 100) == -1 && errno != EINTR) break;
    if (!carry(&ends[0], STDOUT_FILENO)) sleep_ms(10);
    if (!carry(&ends[1], master)) ends[1].fd = -1;  // nothing more is typed
    if (waitpid(leader, &status, WNOHANG) == leader) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  kill(leader, SIGKILL);
  return 0;
}
