#include "test/tests.h"

int main() {
  // Progress survives a sanitizer's abort.
  (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
  frazil::Tests tests;
  frazil::test_core(tests);
  frazil::test_messages(tests);
  frazil::test_splice(tests);
  frazil::test_processes(tests);
  return tests.conclude();
}
