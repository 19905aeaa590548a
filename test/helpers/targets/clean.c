// clean PROGRAM ARGUMENTS... : becomes PROGRAM with nothing open above 2, whatever the test runner has left open.
#include "target.h"

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  clean_start();
  execvp(argv[1], argv + 1);
  die(argv[1]);
}
