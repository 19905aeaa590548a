// rarities CONTROL DIRECTORY inet|no-inet
//
// One task with one of each thing that gives a checkpoint an image, or a field of one, that the other targets do not: for tests that
// read images. It is dumped and never restored, so it has no questions. What this kernel does not have is left out:
//   lacking   {"lacking":["fanotify",...]}
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <net/ethernet.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>

#include "target.h"

static const char *directory;
static const char *lacking[16];
static size_t lacks;

static void lack(const char *what) { lacking[lacks++] = what; }

static const char *path_in(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

// --- files ---------------------------------------------------------------------------------------------------------------

static void named_pipe_with_data(void) {
  MUST(mkfifo(path_in("fifo"), 0600));
  const int fd = MUST(open(path_in("fifo"), O_RDWR | O_NONBLOCK));
  MUST(write(fd, "first in", 8));
}

// A hole in front and in the middle: with --ghost-fiemap its image has chunks.
static void sparse_ghost(void) {
  const int fd = MUST(open(path_in("sparse"), O_CREAT | O_RDWR, 0640));
  char block[8192];
  memset(block, 'x', sizeof block);
  MUST(pwrite(fd, block, sizeof block, 1 << 16));
  MUST(pwrite(fd, "the end", 7, 1 << 19));
  MUST(unlink(path_in("sparse")));
}

// A name that is no UTF-8, with characters that JSON escapes.
static void odd_names(void) {
  MUST(open(path_in("a \"name\" \t with \xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7"), O_CREAT | O_RDWR | O_APPEND, 0600));
}

static void links_and_devices(void) {
  MUST(open("/dev/zero", O_RDWR));
  MUST(open(directory, O_RDONLY | O_DIRECTORY));
  MUST(open("/proc/self/status", O_RDONLY));
}

static void terminal_with_data(void) {
  const int master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
  MUST(grantpt(master));
  MUST(unlockpt(master));
  const int slave = MUST(open(ptsname(master), O_RDWR | O_NOCTTY));
  struct termios raw;
  MUST(tcgetattr(slave, &raw));
  cfmakeraw(&raw);
  MUST(tcsetattr(slave, TCSANOW, &raw));
  MUST(write(master, "typed", 5));
  MUST(write(slave, "shown", 5));
}

static void sealed_memory(void) {
  const int fd = MUST(memfd_create("sealed", MFD_ALLOW_SEALING));
  MUST(write(fd, "sealed", 6));
  MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
}

// --- events --------------------------------------------------------------------------------------------------------------

static void watched_by_fanotify(void) {
  const int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
  if (fd == -1) return lack("fanotify");
  MUST(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE, AT_FDCWD, directory));
}

static void process_handle(void) {
  if (syscall(SYS_pidfd_open, getpid(), 0) == -1) lack("pidfd");
}

static void timers(void) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
  MUST(timer_create(CLOCK_MONOTONIC, &event, &timer));
  MUST(timer_settime(timer, 0, &(struct itimerspec){.it_value = {.tv_sec = 5000}, .it_interval = {.tv_nsec = 7}}, NULL));
  MUST(setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_sec = 4000}}, NULL));
}

static void pending_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 1);
  MUST(sigprocmask(SIG_BLOCK, &set, NULL));
  MUST(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_ptr = (void *)0x1234567890abcdef}));
  MUST(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
}

// --- sockets -------------------------------------------------------------------------------------------------------------

static int local_socket(int type, const char *name, size_t length) {
  const int fd = MUST(socket(AF_UNIX, type, 0));
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, name, length);
  MUST(bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)));
  return fd;
}

static void unix_sockets(void) {
  // Abstract, long, and with bytes that quoted-printable must quote.
  char name[100];
  const int length = snprintf(name, sizeof name, "%crarities = %d\t\xff and so on, for longer than one line of 76 characters is", 0, getpid());
  MUST(listen(local_socket(SOCK_SEQPACKET, name, (size_t)length), 5));
  char path[108];
  snprintf(path, sizeof path, "%s/socket", directory);
  const int datagrams = local_socket(SOCK_DGRAM, path, strlen(path) + 1);
  const int sender = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  memcpy(to.sun_path, path, strlen(path) + 1);
  MUST(connect(sender, (struct sockaddr *)&to, sizeof to));
  MUST(send(sender, "one", 3, 0));
  MUST(send(sender, "", 0, 0));
  MUST(send(sender, "three", 5, 0));
  MUST(shutdown(datagrams, SHUT_WR));
}

static void inet_socket(int family, int type, int protocol) {
  const int fd = MUST(socket(family, type, protocol));
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  if (family == AF_INET)
    MUST(bind(fd, (struct sockaddr *)&v4, sizeof v4));
  else
    MUST(bind(fd, (struct sockaddr *)&v6, sizeof v6));
  if (type == SOCK_STREAM) MUST(listen(fd, 7));
}

static void network_sockets(void) {
  inet_socket(AF_INET, SOCK_STREAM, 0);
  inet_socket(AF_INET6, SOCK_STREAM, 0);
  inet_socket(AF_INET, SOCK_DGRAM, 0);
  inet_socket(AF_INET6, SOCK_DGRAM, 0);
  inet_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
  MUST(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  if (socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) == -1) lack("packet socket");
}

// --- the task ------------------------------------------------------------------------------------------------------------

static void mappings(void) {
  MUST((intptr_t)mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
  const int fd = MUST(open(path_in("mapped"), O_CREAT | O_RDWR, 0600));
  MUST(ftruncate(fd, 1 << 16));
  MUST((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 3 * PAGE));
  void *shared = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  memset(shared, 1, 2 * PAGE);
  MUST(madvise(mmap(NULL, 1 << 16, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1 << 16, MADV_DONTFORK));
}

static void seccomp_filter(void) {
  struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {.len = 1, .filter = allow};
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1) lack("seccomp filter");
}

static void answer(const char *request, FILE *reply) {
  if (strcmp(request, "lacking") != 0) {
    fprintf(reply, "{\"error\":\"unknown request\"}");
    return;
  }
  fprintf(reply, "{\"lacking\":[");
  for (size_t i = 0; i < lacks; i++) fprintf(reply, "%s\"%s\"", i == 0 ? "" : ",", lacking[i]);
  fprintf(reply, "]}");
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  clean_start();
  directory = argv[2];
  named_pipe_with_data();
  sparse_ghost();
  odd_names();
  links_and_devices();
  terminal_with_data();
  sealed_memory();
  watched_by_fanotify();
  process_handle();
  timers();
  pending_signals();
  unix_sockets();
  if (strcmp(argv[3], "inet") == 0) network_sockets();
  mappings();
  seccomp_filter();
  prctl(PR_SET_NAME, "rare \"one\"");
  control_serve(argv[1], answer);
}
