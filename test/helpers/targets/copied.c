// copied FILE MEGABYTES
//
// Memory that no question is needed for: fills it, writes its digest into FILE, and at each SIGUSR1 looks at all of it again and adds a line to FILE:
// the digest. Copies of it share FILE; a line is one write.
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t *memory;
static size_t words;

static void fill(void) {
  uint64_t state = 88172645463325252ull;
  for (size_t i = 0; i < words; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    memory[i] = state;
  }
}

static uint64_t digest(void) {
  uint64_t sum = 14695981039346656037ull;
  for (size_t i = 0; i < words; i++) sum = (sum ^ memory[i]) * 1099511628211ull;
  return sum;
}

static void tell(const char *file) {
  char line[32];
  const int length = snprintf(line, sizeof line, "%016" PRIx64 "\n", digest());
  const int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd == -1 || write(fd, line, (size_t)length) != length) _exit(3);
  close(fd);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  words = (strtoull(argv[2], NULL, 10) << 20) / sizeof *memory;
  memory = mmap(NULL, words * sizeof *memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  sigset_t asked;
  sigemptyset(&asked);
  sigaddset(&asked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &asked, NULL);
  fill();
  tell(argv[1]);
  for (int signal; sigwait(&asked, &signal) == 0;) tell(argv[1]);
}
