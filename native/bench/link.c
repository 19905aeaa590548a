// A link between two network namespaces for kernels without netem: `link PID_A PID_B BITS_PER_SECOND DELAY_US QUEUE_US`.
//
// Makes a device eth0 (a TUN) in the network namespace of each process, says "ready" and carries packets between them until its standard
// input ends: at most at the rate, each later by the delay, in order. What would have to wait longer than QUEUE_US for its turn is dropped, as
// a switch does. Packets come and go as the kernel has them before it cuts them up (virtio_net_hdr, TSO), so that a processor carries
// 1 Gbit/s beside other work; the headers that cutting adds are counted against the rate.
//
// The alternative, a proxy of TCP connections, would end them in the middle: their windows and their slow start would see no delay.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { kPacketBytes = 66000, kSegmentHeader = 52 };  // IPv4 and TCP with timestamps
static const int64_t kNsPerS = 1000000000, kNsPerUs = 1000;

struct Packet {
  struct Packet *next;
  int64_t due;
  size_t bytes;
  char data[];
};

struct Direction {
  int from, to;
  int64_t bits_per_second, delay_ns, queue_ns;
  int64_t departed;  // when the link has carried all that was accepted
  struct Packet *first, **last;
};

static void die(const char *what) {
  fprintf(stderr, "link: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerS + now.tv_nsec;
}

static int open_device(const char *pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
  const int netns = open(path, O_RDONLY | O_CLOEXEC);
  if (netns == -1 || setns(netns, CLONE_NEWNET) == -1) die(path);
  close(netns);
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd == -1) die("/dev/net/tun");
  struct ifreq request = {.ifr_name = "eth0", .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
  if (ioctl(fd, TUNSETIFF, &request) == -1) die("TUNSETIFF");
  if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) == -1) die("TUNSETOFFLOAD");
  return fd;
}

static size_t bytes_on_link(const char *data, size_t bytes) {
  struct virtio_net_hdr head;
  memcpy(&head, data, sizeof head);
  const size_t packet = bytes - sizeof head;
  return head.gso_size == 0 ? packet : packet + packet / head.gso_size * kSegmentHeader;
}

static void accept_packet(struct Direction *way, const char *data, size_t bytes) {
  const int64_t now = now_ns();
  const int64_t begins = way->departed > now ? way->departed : now;
  if (begins - now > way->queue_ns) return;
  struct Packet *packet = malloc(sizeof *packet + bytes);
  if (packet == NULL) die("malloc");
  way->departed = begins + (int64_t)bytes_on_link(data, bytes) * 8 * kNsPerS / way->bits_per_second;
  *packet = (struct Packet){NULL, way->departed + way->delay_ns, bytes};
  memcpy(packet->data, data, bytes);
  *way->last = packet;
  way->last = &packet->next;
}

static void take_in(struct Direction *way) {
  static _Thread_local char data[kPacketBytes];
  for (;;) {
    const ssize_t got = read(way->from, data, sizeof data);
    if (got == -1 && (errno == EAGAIN || errno == EINTR || errno == EIO)) return;
    if (got < (ssize_t)sizeof(struct virtio_net_hdr)) die("read");
    accept_packet(way, data, (size_t)got);
  }
}

// A packet that the device does not take (it is down, or out of memory) is lost.
static void let_out(struct Direction *way) {
  while (way->first != NULL && way->first->due <= now_ns()) {
    struct Packet *packet = way->first;
    (void)!write(way->to, packet->data, packet->bytes);
    way->first = packet->next;
    if (way->first == NULL) way->last = &way->first;
    free(packet);
  }
}

static void *carry(void *argument) {
  struct Direction *way = argument;
  prctl(PR_SET_TIMERSLACK, 1);
  way->last = &way->first;
  for (;;) {
    struct pollfd readable = {way->from, POLLIN, 0};
    const int64_t left = way->first == NULL ? 0 : way->first->due - now_ns();
    const int64_t wait = left > 0 ? left : 0;
    const struct timespec until = {wait / kNsPerS, wait % kNsPerS};
    if (ppoll(&readable, 1, way->first == NULL ? NULL : &until, NULL) == -1 && errno != EINTR) die("ppoll");
    if (readable.revents != 0) take_in(way);
    let_out(way);
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 6) return fputs("usage: link PID_A PID_B BITS_PER_SECOND DELAY_US QUEUE_US\n", stderr), 2;
  const int a = open_device(argv[1]), b = open_device(argv[2]);
  const int64_t rate = atoll(argv[3]), delay = atoll(argv[4]) * kNsPerUs, queue = atoll(argv[5]) * kNsPerUs;
  if (rate <= 0) return fputs("link: a rate above 0\n", stderr), 2;
  struct Direction ways[] = {{.from = a, .to = b, .bits_per_second = rate, .delay_ns = delay, .queue_ns = queue},
                             {.from = b, .to = a, .bits_per_second = rate, .delay_ns = delay, .queue_ns = queue}};
  pthread_t thread;
  for (int i = 0; i < 2; i++)
    if (pthread_create(&thread, NULL, carry, &ways[i]) != 0) die("pthread_create");
  puts("ready");
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  return 0;
}
