// namespaces ROOT inet|no-inet
//
// Two tasks in pid, mount, net, uts and ipc namespaces of their own, on a root that was pivoted to: a small container
// without a runtime. The program that was started stays outside as the parent that reaps; the tree to dump is its child.
// The control socket is ROOT/control. Same questions as `tree`: verify, spoil.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "target.h"

#define SEGMENT_BYTES (1UL << 20)
#define INNER_ADDRESS "10.77.66.55"

static bool inet;

// --- setting up --------------------------------------------------------------------------------------------------------

static void node(const char *path, unsigned minor_number) { MUST(mknod(path, S_IFCHR | 0666, makedev(1, minor_number))); }

// The program must lie where the tree can name it.
static void copy_self(const char *root) {
  char path[512];
  struct stat status;
  snprintf(path, sizeof path, "%s/target", root);
  const int from = MUST(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const int to = MUST(open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0755));
  MUST(fstat(from, &status));
  if (sendfile(to, from, NULL, (size_t)status.st_size) != status.st_size) die("sendfile");
  close(from);
  close(to);
}

static void pivot(const char *root) {
  MUST(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
  MUST(mount(root, root, NULL, MS_BIND, NULL));
  MUST(chdir(root));
  for (const char *const *name = (const char *const[]){"proc", "tmp", "dev", "read-only", "old", NULL}; *name != NULL; name++)
    if (mkdir(*name, 0755) == -1 && errno != EEXIST) die(*name);
  MUST(syscall(SYS_pivot_root, ".", "old"));
  MUST(chdir("/"));
  MUST(umount2("old", MNT_DETACH));
  MUST(mount("proc", "/proc", "proc", MS_NOSUID, NULL));
  MUST(mount("tmpfs", "/tmp", "tmpfs", MS_NODEV, "size=8m"));
  MUST(mount("tmpfs", "/dev", "tmpfs", 0, "size=1m"));
  MUST(mount("tmpfs", "/read-only", "tmpfs", MS_RDONLY, "size=1m"));
  node("/dev/null", 3);
  node("/dev/zero", 5);
  // What was open belongs to mounts that are gone now: a dump could not name it.
  MUST(close_range(0, ~0U, 0));
  for (int fd = 0; fd < 3; fd++) MUST(open("/dev/null", O_RDWR));
}

static void address(void) {
  const int socket_of_family = MUST(socket(AF_INET, SOCK_DGRAM, 0));
  struct ifreq request = {.ifr_name = "lo"};
  MUST(ioctl(socket_of_family, SIOCGIFFLAGS, &request));
  request.ifr_flags |= IFF_UP;
  MUST(ioctl(socket_of_family, SIOCSIFFLAGS, &request));
  strcpy(request.ifr_name, "lo:1");
  struct sockaddr_in *inner = (struct sockaddr_in *)&request.ifr_addr;
  *inner = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(INNER_ADDRESS)};
  MUST(ioctl(socket_of_family, SIOCSIFADDR, &request));
  close(socket_of_family);
}

static int listener = -1, client = -1, server = -1, datagram = -1;
static struct sockaddr_in where = {.sin_family = AF_INET};

static void make_inet(void) {
  where.sin_port = htons(8080);
  where.sin_addr.s_addr = inet_addr(INNER_ADDRESS);
  listener = MUST(socket(AF_INET, SOCK_STREAM, 0));
  MUST(bind(listener, (struct sockaddr *)&where, sizeof where));
  MUST(listen(listener, 4));
  client = MUST(socket(AF_INET, SOCK_STREAM, 0));
  MUST(connect(client, (struct sockaddr *)&where, sizeof where));
  server = MUST(accept(listener, NULL, NULL));
  MUST(send(client, "on the way", 10, 0));
  datagram = MUST(socket(AF_INET, SOCK_DGRAM, 0));
  MUST(bind(datagram, (struct sockaddr *)&where, sizeof where));
}

static int segment, semaphores, queue, ghost;
static unsigned char *attached;
struct text {
  long type;
  char words[32];
};

static void make_ipc(void) {
  segment = MUST(shmget(0x1234, SEGMENT_BYTES, IPC_CREAT | 0600));
  attached = shmat(segment, NULL, 0);
  for (size_t i = 0; i < SEGMENT_BYTES; i++) attached[i] = (unsigned char)pattern(31, 0, i);
  semaphores = MUST(semget(0x1235, 2, IPC_CREAT | 0600));
  MUST(semctl(semaphores, 1, SETVAL, 3));
  queue = MUST(msgget(0x1236, IPC_CREAT | 0600));
  MUST(msgsnd(queue, &(struct text){5, "first"}, 32, 0));
  MUST(msgsnd(queue, &(struct text){6, "second"}, 32, 0));
}

static void make_files(void) {
  const int file = MUST(open("/tmp/kept", O_CREAT | O_RDWR, 0640));
  MUST(write(file, "kept on tmpfs", 13));
  close(file);
  ghost = MUST(open("/tmp/gone", O_CREAT | O_RDWR, 0600));
  MUST(write(ghost, "gone from tmpfs", 15));
  MUST(unlink("/tmp/gone"));
}

// --- checks ------------------------------------------------------------------------------------------------------------

static pid_t second;

static bool pids(void) {
  char name[32];
  const ssize_t n = readlink("/proc/self", name, sizeof name - 1);
  return getpid() == 1 && n == 1 && name[0] == '1' && second == 2 && kill(second, 0) == 0;
}
static bool host_name(void) {
  char name[64] = "", domain[64] = "";
  return gethostname(name, 63) == 0 && getdomainname(domain, 63) == 0 && strcmp(name, "frazil-inside") == 0 && strcmp(domain, "example") == 0;
}
static bool mounts(void) {
  struct statfs tmp, read_only;
  struct stat root, parent;
  return statfs("/tmp", &tmp) == 0 && tmp.f_type == 0x01021994 && statfs("/read-only", &read_only) == 0 && (read_only.f_flags & ST_RDONLY) &&
         stat("/", &root) == 0 && stat("/..", &parent) == 0 && root.st_ino == parent.st_ino && access("/old/etc", F_OK) == -1;
}
static bool devices(void) {
  struct stat status;
  return stat("/dev/zero", &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 5);
}
static bool files(void) {
  char text[32] = "", lost[32] = "";
  struct stat status;
  const int file = open("/tmp/kept", O_RDONLY);
  const bool ok = read(file, text, 31) == 13 && strcmp(text, "kept on tmpfs") == 0 && fstat(file, &status) == 0 && (status.st_mode & 0777) == 0640;
  close(file);
  return ok && pread(ghost, lost, 31, 0) == 15 && strcmp(lost, "gone from tmpfs") == 0;
}
static bool shared_segment(void) {
  if (shmget(0x1234, SEGMENT_BYTES, 0) != segment) return false;
  for (size_t i = 0; i < SEGMENT_BYTES; i++)
    if (attached[i] != (unsigned char)pattern(31, 0, i)) return false;
  return true;
}
static bool semaphore_values(void) { return semctl(semaphores, 0, GETVAL) == 0 && semctl(semaphores, 1, GETVAL) == 3; }
static bool messages(void) {
  struct text first = {0}, next = {0};
  const bool ok = msgrcv(queue, &first, 32, 5, IPC_NOWAIT) == 32 && msgrcv(queue, &next, 32, 6, IPC_NOWAIT) == 32 &&
                  strcmp(first.words, "first") == 0 && strcmp(next.words, "second") == 0;
  MUST(msgsnd(queue, &(struct text){5, "first"}, 32, 0));
  MUST(msgsnd(queue, &(struct text){6, "second"}, 32, 0));
  return ok;
}
static bool interfaces(void) {
  struct ifreq request = {.ifr_name = "lo"};
  const int any = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
  const bool up = ioctl(any, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
  close(any);
  const struct if_nameindex *list = if_nameindex();
  return up && list != NULL && strcmp(list[0].if_name, "lo") == 0 && list[1].if_index == 0;
}
static bool connection(void) {
  char text[32] = "";
  if (!inet) return true;
  const bool ok = recv(server, text, 31, MSG_DONTWAIT) == 10 && strcmp(text, "on the way") == 0 && send(server, "answer", 6, 0) == 6 &&
                  recv(client, text, 31, 0) == 6 && memcmp(text, "answer", 6) == 0;
  (void)send(client, "on the way", 10, 0);
  return ok;
}
static bool listening(void) {
  if (!inet) return true;
  const int other = MUST(socket(AF_INET, SOCK_STREAM, 0));
  const bool ok = connect(other, (struct sockaddr *)&where, sizeof where) == 0;
  if (ok) close(accept(listener, NULL, NULL));
  close(other);
  return ok;
}
static bool datagrams(void) {
  char text[8] = "";
  return !inet || (sendto(datagram, "to me", 5, 0, (struct sockaddr *)&where, sizeof where) == 5 && recv(datagram, text, 7, 0) == 5);
}

static const struct check {
  const char *name;
  bool (*holds)(void);
} checks[] = {
    {"pids", pids},         {"host name", host_name},           {"mounts", mounts},     {"devices", devices},
    {"files", files},       {"shared segment", shared_segment}, {"semaphores", semaphore_values},
    {"messages", messages}, {"interfaces", interfaces},         {"connection", connection},
    {"listening", listening}, {"datagrams", datagrams},
};
#define CHECKS (sizeof checks / sizeof *checks)

static void spoil(void) {
  attached[1000]++;
  MUST(sethostname("changed", 7));
  MUST(unlink("/tmp/kept"));
  MUST(semctl(semaphores, 1, SETVAL, 4));
  MUST(umount("/read-only"));
}

static void answer(const char *request, FILE *reply) {
  if (strcmp(request, "verify") == 0) {
    const char *comma = "";
    fprintf(reply, "{\"checks\":%zu,\"failed\":[", CHECKS);
    for (size_t i = 0; i < CHECKS; i++)
      if (!checks[i].holds()) {
        fprintf(reply, "%s\"inside: %s\"", comma, checks[i].name);
        comma = ",";
      }
    fprintf(reply, "]}");
  } else if (strcmp(request, "spoil") == 0) {
    spoil();
    fprintf(reply, "{}");
  } else {
    fprintf(reply, "{\"error\":\"unknown request\"}");
  }
}

_Noreturn static void enter(const char *root, const char *inet_or_not) {
  MUST(setsid());
  copy_self(root);
  pivot(root);
  execl("/target", "target", "inside", inet_or_not, NULL);
  die("execl");
}

_Noreturn static void be_init(void) {
  MUST(sethostname("frazil-inside", 13));
  MUST(setdomainname("example", 7));
  address();
  make_ipc();
  make_files();
  if (inet) make_inet();
  second = MUST(fork());
  if (second == 0)
    for (;;) pause();
  control_serve("/control", answer);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  clean_start();
  inet = strcmp(argv[2], "inet") == 0;
  if (strcmp(argv[1], "inside") == 0) be_init();
  MUST(unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC));
  const pid_t init = MUST(fork());
  if (init == 0) enter(argv[1], argv[2]);
  int status = 0;
  MUST(waitpid(init, &status, 0));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
