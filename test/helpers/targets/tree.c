// tree CONTROL DIRECTORY
//
// A tree of five tasks (root, its child, its grandchild in a session of its own, a stopped child, a zombie) that share one of
// each kind of thing a dump must carry over. Every check can be repeated: what it takes out of a queue it puts back.
//   verify   {"checks":n,"failed":["root:eventfd",...]}
//   spoil    {}    changes things behind the checks' back, so that a test can see them fail
// DIRECTORY must be on a file system whose files have handles (not tmpfs, not overlayfs), for inotify.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "target.h"

// How long a check waits for an event that must come.
#define PATIENCE_MS 5000

enum who { ROOT = 1, CHILD = 2, GRANDCHILD = 4, ALL = 7 };

static const char *directory;
static pid_t root_pid, child_pid, grandchild_pid, stopped_pid, zombie_pid;

static void path_in(char *path, size_t size, const char *name) { snprintf(path, size, "%s/%s", directory, name); }

static int open_in(const char *name, int flags) {
  char path[512];
  path_in(path, sizeof path, name);
  return MUST(open(path, flags | O_CLOEXEC, 0600));
}

static void fill_bytes(unsigned char *to, size_t size, uint64_t seed) {
  for (size_t i = 0; i < size; i++) to[i] = (unsigned char)pattern(seed, 0, i);
}

static bool holds(const void *what, size_t size, uint64_t seed) {
  for (size_t i = 0; i < size; i++)
    if (((const unsigned char *)what)[i] != (unsigned char)pattern(seed, 0, i)) return false;
  return true;
}

// --- pipes -------------------------------------------------------------------------------------------------------------

#define IN_FLIGHT 200000
static unsigned char scratch[IN_FLIGHT];
static int full[2], half[2];

static void make_pipes(void) {
  MUST(pipe2(full, O_NONBLOCK));
  MUST(fcntl(full[1], F_SETPIPE_SZ, 1 << 18));
  fill_bytes(scratch, IN_FLIGHT, 1);
  if (write(full[1], scratch, IN_FLIGHT) != IN_FLIGHT) die("write");
  MUST(pipe(half));
  MUST(write(half[1], "the end", 7));
  MUST(close(half[1]));
}

static bool pipe_with_data(void) {
  int peek[2], waiting = 0, size = fcntl(full[0], F_GETPIPE_SZ);
  if (ioctl(full[0], FIONREAD, &waiting) == -1 || waiting != IN_FLIGHT || size != 1 << 18) return false;
  MUST(pipe(peek));
  MUST(fcntl(peek[1], F_SETPIPE_SZ, 1 << 18));
  ssize_t have = 0, n;
  const ssize_t teed = tee(full[0], peek[1], IN_FLIGHT, SPLICE_F_NONBLOCK);
  while (have < teed && (n = read(peek[0], scratch + have, (size_t)(teed - have))) > 0) have += n;
  close(peek[0]);
  close(peek[1]);
  return have > 4096 && holds(scratch, (size_t)have, 1) && (fcntl(full[0], F_GETFL) & O_NONBLOCK) != 0;
}

static bool pipe_without_writer(void) {
  struct pollfd poller = {.fd = half[0], .events = POLLIN};
  int waiting = 0;
  return poll(&poller, 1, 0) == 1 && (poller.revents & POLLHUP) && ioctl(half[0], FIONREAD, &waiting) == 0 && waiting == 7;
}

// --- unix sockets ------------------------------------------------------------------------------------------------------

static int stream[2], packets[2], rights[2], abstract = -1;
static struct sockaddr_un abstract_name = {.sun_family = AF_UNIX};
static socklen_t abstract_size;

static void send_fd(int fd) {
  char byte = 'f', control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec vector = {&byte, 1};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  MUST(sendmsg(rights[0], &message, 0));
}

static int receive_fd(void) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec vector = {&byte, 1};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  int fd = -1;
  if (recvmsg(rights[1], &message, MSG_DONTWAIT) == 1 && CMSG_FIRSTHDR(&message) != NULL)
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

static void make_sockets(void) {
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
  MUST(write(stream[0], "forth", 5));
  MUST(write(stream[1], "and back", 8));
  MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
  for (size_t i = 1; i <= 3; i++) {
    fill_bytes(scratch, 100 * i, i);
    MUST(send(packets[0], scratch, 100 * i, 0));
  }
  MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, rights));
  send_fd(half[0]);
  abstract_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                              (size_t)sprintf(abstract_name.sun_path + 1, "frazil-target-%d", (int)getpid()));
  abstract = MUST(socket(AF_UNIX, SOCK_SEQPACKET, 0));
  MUST(bind(abstract, (struct sockaddr *)&abstract_name, abstract_size));
  MUST(listen(abstract, 4));
}

static bool stream_with_data(void) {
  char forth[16] = "", back[16] = "";
  return recv(stream[1], forth, 15, MSG_PEEK | MSG_DONTWAIT) == 5 && recv(stream[0], back, 15, MSG_PEEK | MSG_DONTWAIT) == 8 &&
         strcmp(forth, "forth") == 0 && strcmp(back, "and back") == 0;
}

static bool packets_with_borders(void) {
  bool ok = true;
  for (size_t i = 1; i <= 3; i++) {
    ok &= recv(packets[1], scratch, sizeof scratch, MSG_DONTWAIT) == (ssize_t)(100 * i) && holds(scratch, 100 * i, i);
    fill_bytes(scratch, 100 * i, i);
    MUST(send(packets[0], scratch, 100 * i, MSG_DONTWAIT));
  }
  return ok;
}

static bool rights_in_flight(void) {
  struct stat expected, received;
  const int fd = receive_fd();
  if (fd == -1) return false;
  const bool ok = fstat(fd, &received) == 0 && fstat(half[0], &expected) == 0 && received.st_ino == expected.st_ino;
  close(fd);
  send_fd(half[0]);
  return ok;
}

static bool abstract_listener(void) {
  const int client = MUST(socket(AF_UNIX, SOCK_SEQPACKET, 0));
  if (connect(client, (struct sockaddr *)&abstract_name, abstract_size) == -1) return false;
  const int server = accept(abstract, NULL, NULL);
  char word[8] = "";
  const bool ok = write(client, "hello", 5) == 5 && read(server, word, 7) == 5 && strcmp(word, "hello") == 0;
  close(server);
  close(client);
  return ok;
}

// --- memory that is shared ---------------------------------------------------------------------------------------------

#define SHARED_BYTES (1UL << 20)
static struct { _Atomic uint64_t visits; unsigned char bytes[SHARED_BYTES - 8]; } *anonymous, *mapped;
static uint64_t visits_seen;
static int memory_fd;

static void make_shared(void) {
  const int both = PROT_READ | PROT_WRITE;
  anonymous = mmap(NULL, SHARED_BYTES, both, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (anonymous == MAP_FAILED) die("mmap");
  fill_bytes(anonymous->bytes, SHARED_BYTES - 8, 11);
  memory_fd = MUST(memfd_create("frazil-target", MFD_ALLOW_SEALING));
  MUST(ftruncate(memory_fd, SHARED_BYTES));
  mapped = mmap(NULL, SHARED_BYTES, both, MAP_SHARED, memory_fd, 0);
  if (mapped == MAP_FAILED) die("mmap");
  fill_bytes(mapped->bytes, SHARED_BYTES - 8, 12);
  MUST(fcntl(memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
  MUST(lseek(memory_fd, 321, SEEK_SET));
}

static bool shared_memory(void) {
  anonymous->visits++;
  mapped->visits++;
  return holds(anonymous->bytes, SHARED_BYTES - 8, 11);
}

static bool shared_by_all(void) {
  // Asked last: root, child and grandchild have each left their visit in both.
  visits_seen += 3;
  return anonymous->visits == visits_seen && mapped->visits == visits_seen;
}

static bool memory_file(void) {
  struct stat status;
  return fstat(memory_fd, &status) == 0 && status.st_size == SHARED_BYTES && holds(mapped->bytes, SHARED_BYTES - 8, 12) &&
         fcntl(memory_fd, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW) && lseek(memory_fd, 0, SEEK_CUR) == 321;
}

// --- fds that are events -----------------------------------------------------------------------------------------------

static int counter, far_timer, near_timer, signals, watcher, watch, poller;

// Once, not periodic: CRIU up to 4.2 restores a periodic timer whose tick was not read yet as a disarmed one.
static void arm_near_timer(void) { MUST(timerfd_settime(near_timer, 0, &(struct itimerspec){{0, 0}, {0, 200000000}}, NULL)); }

// Not here: EFD_SEMAPHORE, which CRIU up to 4.2 forgets.
static void make_events(void) {
  counter = MUST(eventfd(41, EFD_NONBLOCK));
  far_timer = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
  MUST(timerfd_settime(far_timer, 0, &(struct itimerspec){{500, 0}, {100000, 0}}, NULL));
  near_timer = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  arm_near_timer();

  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  MUST(sigprocmask(SIG_BLOCK, &blocked, NULL));
  signals = MUST(signalfd(-1, &blocked, SFD_NONBLOCK));
  MUST(sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 77}));

  watcher = MUST(inotify_init1(IN_NONBLOCK));
  watch = MUST(inotify_add_watch(watcher, directory, IN_DELETE));

  poller = MUST(epoll_create1(0));
  MUST(epoll_ctl(poller, EPOLL_CTL_ADD, counter, &(struct epoll_event){.events = EPOLLIN, .data.u64 = 0xc0ffee0000000001}));
  MUST(epoll_ctl(poller, EPOLL_CTL_ADD, full[0], &(struct epoll_event){.events = EPOLLIN, .data.u64 = 0xc0ffee0000000002}));
}

static bool event_counter(void) {
  uint64_t value = 0;
  const bool ok = read(counter, &value, 8) == 8 && value == 41;
  return write(counter, &(uint64_t){41}, 8) == 8 && ok;
}

static bool timer_far(void) {
  struct itimerspec left;
  return timerfd_gettime(far_timer, &left) == 0 && left.it_interval.tv_sec == 500 && left.it_value.tv_sec > 90000;
}

static bool timer_near(void) {
  struct pollfd one = {.fd = near_timer, .events = POLLIN};
  uint64_t ticks = 0;
  const bool ok = poll(&one, 1, PATIENCE_MS) == 1 && read(near_timer, &ticks, 8) == 8 && ticks == 1;
  arm_near_timer();
  return ok;
}

static bool signal_pending(void) {
  struct signalfd_siginfo info = {0};
  const bool ok = read(signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR2 && info.ssi_int == 77;
  sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 77});
  return ok;
}

static bool inotify_watch(void) {
  union {
    struct inotify_event event;
    char room[4096];
  } got = {0};
  struct pollfd one = {.fd = watcher, .events = POLLIN};
  while (read(watcher, &got, sizeof got) > 0) continue;
  char path[512];
  path_in(path, sizeof path, "deleted");
  close(open_in("deleted", O_CREAT | O_RDWR));
  unlink(path);
  return poll(&one, 1, PATIENCE_MS) == 1 && read(watcher, &got, sizeof got) > 0 && got.event.wd == watch && got.event.mask == IN_DELETE &&
         strcmp(got.event.name, "deleted") == 0;
}

static bool epoll_set(void) {
  struct epoll_event ready[4];
  uint64_t sum = 0;
  const int n = epoll_wait(poller, ready, 4, PATIENCE_MS);
  for (int i = 0; i < n; i++) sum += ready[i].data.u64 & 0xff;
  return n == 2 && sum == 3 && ready[0].data.u64 >> 40 == 0xc0ffee;
}

// --- files -------------------------------------------------------------------------------------------------------------

#define GHOST_BYTES 50000
static int ghost, plain, flocked, posix_locked, ofd_locked;
static off_t ghost_at = 1234;

static void make_files(void) {
  char path[512];
  ghost = open_in("ghost", O_CREAT | O_RDWR);
  fill_bytes(scratch, GHOST_BYTES, 21);
  MUST(write(ghost, scratch, GHOST_BYTES));
  MUST(lseek(ghost, ghost_at, SEEK_SET));
  path_in(path, sizeof path, "ghost");
  MUST(unlink(path));

  plain = open_in("plain", O_CREAT | O_RDWR | O_APPEND);
  MUST(write(plain, "some text", 9));
  MUST(lseek(plain, 5, SEEK_SET));

  flocked = open_in("flocked", O_CREAT | O_RDWR);
  MUST(flock(flocked, LOCK_EX));
  posix_locked = open_in("posix-locked", O_CREAT | O_RDWR);
  MUST(fcntl(posix_locked, F_SETLK, &(struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 20}));
  ofd_locked = open_in("ofd-locked", O_CREAT | O_RDWR);
  MUST(fcntl(ofd_locked, F_OFD_SETLK, &(struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 6}));
}

static bool ghost_file(void) {
  struct stat status;
  return fstat(ghost, &status) == 0 && status.st_nlink == 0 && status.st_size == GHOST_BYTES &&
         pread(ghost, scratch, GHOST_BYTES, 0) == GHOST_BYTES && holds(scratch, GHOST_BYTES, 21);
}

// One description in three tasks: each moves the offset by one and finds the others' moves.
static bool ghost_offset_moves(void) { return lseek(ghost, 1, SEEK_CUR) > ghost_at; }
static bool ghost_offset_shared(void) {
  ghost_at += 3;
  return lseek(ghost, 0, SEEK_CUR) == ghost_at;
}

static bool plain_file(void) {
  char text[16] = "";
  return pread(plain, text, 15, 0) == 9 && strcmp(text, "some text") == 0 && lseek(plain, 0, SEEK_CUR) == 5 &&
         (fcntl(plain, F_GETFL) & O_APPEND) != 0;
}

static bool locked_by_flock(void) {
  const int other = open_in("flocked", O_RDWR);
  const bool ok = flock(other, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
  close(other);
  return ok;
}

static bool locked_by_posix(void) {
  // Asked of another process than the owner, who would not meet its own lock.
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 15, .l_len = 1};
  return fcntl(posix_locked, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_pid == root_pid && lock.l_start == 10 &&
         lock.l_len == 20;
}

static bool locked_by_ofd(void) {
  const int other = open_in("ofd-locked", O_RDWR);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 6, .l_len = 1};
  const bool ok = fcntl(other, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_start == 5 && lock.l_len == 6;
  close(other);
  return ok;
}

// --- what a task is ----------------------------------------------------------------------------------------------------

static timer_t posix_timer;
static volatile sig_atomic_t handled;
static char alternate[65536];

static void on_signal(int signal) { handled = signal; }

static void make_task_state(void) {
  MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, NULL));
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
  sigaddset(&action.sa_mask, SIGTERM);
  MUST(sigaction(SIGUSR1, &action, NULL));
  MUST(timer_create(CLOCK_MONOTONIC, &(struct sigevent){.sigev_notify = SIGEV_NONE}, &posix_timer));
  MUST(timer_settime(posix_timer, 0, &(struct itimerspec){{7, 0}, {200000, 0}}, NULL));
  MUST(setitimer(ITIMER_REAL, &(struct itimerval){{9, 0}, {300000, 0}}, NULL));
  MUST(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
  MUST(setrlimit(RLIMIT_STACK, &(struct rlimit){7 << 20, 9 << 20}));
  MUST(prctl(PR_SET_NAME, "frazil-tree"));
  MUST(chdir(directory));
  umask(027);
}

static bool timers(void) {
  struct itimerspec posix;
  struct itimerval interval;
  return timer_gettime(posix_timer, &posix) == 0 && posix.it_value.tv_sec > 190000 && posix.it_interval.tv_sec == 7 &&
         getitimer(ITIMER_REAL, &interval) == 0 && interval.it_value.tv_sec > 290000 && interval.it_interval.tv_sec == 9;
}

static bool signal_handling(void) {
  struct sigaction action;
  sigset_t mask;
  stack_t stack;
  handled = 0;
  raise(SIGUSR1);
  return handled == SIGUSR1 && sigaction(SIGUSR1, NULL, &action) == 0 && (action.sa_flags & SA_ONSTACK) &&
         sigismember(&action.sa_mask, SIGTERM) == 1 && sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR2) == 1 &&
         sigaltstack(NULL, &stack) == 0 && stack.ss_sp == alternate;
}

static bool attributes(void) {
  char name[16], where[512];
  struct rlimit limit;
  const mode_t mask = umask(027);
  return prctl(PR_GET_NAME, name) == 0 && strcmp(name, "frazil-tree") == 0 && getcwd(where, sizeof where) && mask == 027 &&
         strcmp(where, directory) == 0 && getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur == 7 << 20 && limit.rlim_max == 9 << 20;
}

static bool own_group(void) { return getpid() == child_pid && getpgrp() == child_pid && getsid(0) == root_pid; }
static bool own_session(void) { return getppid() == child_pid && getsid(0) == getpid(); }

static bool zombie_waits(void) {
  siginfo_t info = {0};
  return waitid(P_PID, (id_t)zombie_pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == zombie_pid && info.si_status == 42;
}

static bool stopped_stays(void) {
  char path[64], state = '?';
  snprintf(path, sizeof path, "/proc/%d/stat", stopped_pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) return false;
  const int fields = fscanf(file, "%*d %*s %c", &state);
  fclose(file);
  return fields == 1 && state == 'T';
}

// --- the table, and who asks whom --------------------------------------------------------------------------------------

static const struct check {
  const char *name;
  enum who who;
  bool (*holds)(void);
} checks[] = {
    {"pipe with data", ALL, pipe_with_data},
    {"pipe without writer", ALL, pipe_without_writer},
    {"stream with data", ALL, stream_with_data},
    {"packets with borders", CHILD | GRANDCHILD, packets_with_borders},
    {"rights in flight", CHILD, rights_in_flight},
    {"abstract listener", ALL, abstract_listener},
    {"shared memory", ALL, shared_memory},
    {"memfd", ALL, memory_file},
    {"eventfd", ALL, event_counter},
    {"timerfd armed", ALL, timer_far},
    {"timerfd fires", ALL, timer_near},
    {"signalfd pending", ROOT, signal_pending},
    {"inotify", ALL, inotify_watch},
    {"epoll", ALL, epoll_set},
    {"ghost file", ALL, ghost_file},
    {"ghost offset", ALL, ghost_offset_moves},
    {"plain file", ALL, plain_file},
    {"flock", ALL, locked_by_flock},
    {"posix lock", CHILD | GRANDCHILD, locked_by_posix},
    {"ofd lock", ALL, locked_by_ofd},
    {"timers", ROOT, timers},
    {"signal handling", ALL, signal_handling},
    {"attributes", ALL, attributes},
    {"process group", CHILD, own_group},
    {"session", GRANDCHILD, own_session},
    {"zombie", ROOT, zombie_waits},
    {"stopped child", ROOT, stopped_stays},
};
#define CHECKS (sizeof checks / sizeof *checks)

static int links[2][2];

static uint64_t failures(enum who who) {
  uint64_t failed = 0;
  for (size_t i = 0; i < CHECKS; i++)
    if ((checks[i].who & who) && !checks[i].holds()) failed |= 1UL << i;
  return failed;
}

_Noreturn static void answer_root(int link, enum who who) {
  char question;
  while (recv(link, &question, 1, 0) == 1) {
    const uint64_t failed = failures(who);
    MUST(send(link, &failed, sizeof failed, 0));
  }
  _exit(0);
}

static int report(FILE *reply, const char *who, uint64_t failed, int already) {
  for (size_t i = 0; i < CHECKS; i++)
    if (failed >> i & 1) fprintf(reply, "%s\"%s: %s\"", already++ ? "," : "", who, checks[i].name);
  return already;
}

static void verify(FILE *reply) {
  static const char *const names[] = {"child", "grandchild"};
  size_t count = 2;
  for (size_t i = 0; i < CHECKS; i++) count += (size_t)__builtin_popcount(checks[i].who);
  fprintf(reply, "{\"checks\":%zu,\"failed\":[", count);
  int listed = report(reply, "root", failures(ROOT), 0);
  for (size_t i = 0; i < 2; i++) {
    uint64_t failed = ~0UL;
    MUST(send(links[i][0], "?", 1, 0));
    MUST(recv(links[i][0], &failed, sizeof failed, 0));
    listed = report(reply, names[i], failed, listed);
  }
  if (!shared_by_all()) fprintf(reply, "%s\"root: shared by all\"", listed++ ? "," : "");
  if (!ghost_offset_shared()) fprintf(reply, "%s\"root: one offset\"", listed++ ? "," : "");
  fprintf(reply, "]}");
}

static void spoil(void) {
  MUST(write(counter, &(uint64_t){1}, 8));
  MUST(read(full[0], scratch, 100));
  MUST(recv(packets[1], scratch, 100, 0));
  MUST(lseek(ghost, 17, SEEK_CUR));
  MUST(flock(flocked, LOCK_UN));
  MUST(timerfd_settime(far_timer, 0, &(struct itimerspec){{0}, {0}}, NULL));
  MUST(kill(stopped_pid, SIGCONT));
  mapped->bytes[77]++;
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

_Noreturn static void be_child(void) {
  child_pid = getpid();
  MUST(setpgid(0, 0));
  grandchild_pid = MUST(fork());
  if (grandchild_pid == 0) {
    MUST(setsid());
    answer_root(links[1][1], GRANDCHILD);
  }
  answer_root(links[0][1], CHILD);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  clean_start();
  directory = argv[2];
  root_pid = getpid();
  make_pipes();
  make_sockets();
  make_shared();
  make_events();
  make_files();
  make_task_state();
  for (int i = 0; i < 2; i++) MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, links[i]));
  child_pid = MUST(fork());
  if (child_pid == 0) be_child();
  stopped_pid = MUST(fork());
  if (stopped_pid == 0)
    for (;;) pause();
  MUST(kill(stopped_pid, SIGSTOP));
  zombie_pid = MUST(fork());
  if (zombie_pid == 0) _exit(42);
  control_serve(argv[1], answer);
}
