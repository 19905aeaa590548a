// libFuzzer target: read_pagemap() and print_pagemap() over any bytes. The images of a parent come from wherever the caller points us.

#include <unistd.h>

#include <cstdlib>

#include "page/pagemap.h"
#include "page/pagemap_json.h"
#include "sys/full_io.h"
#include "sys/memfd.h"

namespace {

using namespace frazil;

// What can be read can be printed; what cannot be printed cannot be read.
void expect_printable(int file, bool readable) {
  static const UniqueFd text = open_memfd("text").value();
  static const Cancel cancel = Cancel::open().value();
  for (const auto form : {page::JsonForm::plain, page::JsonForm::pretty}) {
    if (::ftruncate(text.get(), 0) != 0 || ::lseek(text.get(), 0, SEEK_SET) != 0) std::abort();
    if (::lseek(file, 0, SEEK_SET) != 0) std::abort();
    uint64_t written = 0;
    const auto fault = page::print_pagemap(file, text.get(), form, cancel, &written);
    if (fault && (readable || fault->flaw == page::Flaw::system)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const UniqueFd file = open_memfd("pagemap").value();
  if (::ftruncate(file.get(), 0) != 0 || !pwrite_full(file.get(), bytes, size, 0).ok()) std::abort();
  if (::lseek(file.get(), 0, SEEK_SET) != 0) std::abort();
  const auto map = page::read_pagemap(file.get());
  expect_printable(file.get(), map.ok());
  if (!map.ok()) {
    if (map.error().number != EBADMSG && map.error().number != ENOTSUP) std::abort();
    return 0;
  }
  // What the rest of native/page relies on.
  uint64_t end = 0;
  for (const page::PagemapEntry& entry : map.value().entries) {
    if (entry.vaddr < end || entry.pages == 0 || entry.end() <= entry.vaddr) std::abort();
    end = entry.end();
  }
  return 0;
}
