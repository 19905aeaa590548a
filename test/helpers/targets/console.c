// console SOCKET
//
// The side of a console socket that an engine has: listens there, gets the master of a terminal from a runtime, and carries bytes
// between it and its own standard input and output. Says "listening" first. Ends when the terminal has nobody on it any more.
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "target.h"

static int receive_master(int connection) {
  char name[256];
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec into = {.iov_base = name, .iov_len = sizeof name};
  struct msghdr message = {
      .msg_iov = &into, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  int master = -1;
  MUST(recvmsg(connection, &message, MSG_CMSG_CLOEXEC));
  const struct cmsghdr *first = CMSG_FIRSTHDR(&message);
  if (first == NULL || first->cmsg_type != SCM_RIGHTS) return -1;
  memcpy(&master, CMSG_DATA(first), sizeof master);
  return master;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  clean_start();
  const int listener = control_listen(argv[1]);
  dprintf(1, "listening\n");
  const int connection = MUST(accept(listener, NULL, NULL));
  const int master = receive_master(connection);
  if (master == -1) return 3;
  close(connection);
  dprintf(1, "a terminal\n");
  struct pollfd ends[2] = {{.fd = master, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
  // A process that is being restored has not opened its terminal yet: that looks like one that has gone.
  for (int idle = 0; idle < 3000; idle++) {
    if (poll(ends, 2, 100) == -1 && errno != EINTR) break;
    if (carry(&ends[0], STDOUT_FILENO)) idle = 0;
    else sleep_ms(10);
    if (!carry(&ends[1], master)) ends[1].fd = -1;
  }
  return 0;
}
