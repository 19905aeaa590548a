// extents FILE : prints "FROM TO" in bytes for each stretch of FILE that holds data, the rest being holes.
#include <errno.h>
#include <fcntl.h>

#include "target.h"

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  const int file = MUST(open(argv[1], O_RDONLY));
  off_t from, to = 0;
  while ((from = lseek(file, to, SEEK_DATA)) != -1) {
    to = MUST(lseek(file, from, SEEK_HOLE));
    printf("%ld %ld\n", (long)from, (long)to);
  }
  return errno == ENXIO ? 0 : 1;
}
