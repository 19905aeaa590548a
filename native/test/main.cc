#include "test/tests.h"

int main() {
  // Progress survives a sanitizer's abort.
  (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
  frazil::Tests tests;
  frazil::test_archive(tests);
  frazil::test_archive_stream(tests);
  frazil::test_compress(tests);
  frazil::test_core(tests);
  frazil::test_crypto(tests);
  frazil::test_dense_pages(tests);
  frazil::test_lazy_fill(tests);
  frazil::test_lazy_move(tests);
  frazil::test_lazy_space(tests);
  frazil::test_lazy_wire(tests);
  frazil::test_messages(tests);
  frazil::test_splice(tests);
  frazil::test_processes(tests);
  frazil::test_exec(tests);
  frazil::test_tcp_repair(tests);
  frazil::test_page_receive(tests);
  frazil::test_page_chain(tests);
  frazil::test_page_failure(tests);
  frazil::test_page_map(tests);
  frazil::test_page_random(tests);
  frazil::test_peer(tests);
  frazil::test_joined(tests);
  frazil::test_image_chain(tests);
  frazil::test_memory(tests);
  frazil::test_delta(tests);
  frazil::test_transfer(tests);
  return tests.conclude();
}
