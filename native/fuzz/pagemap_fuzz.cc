// libFuzzer target: read_pagemap() over any bytes. The images of a parent come from wherever the caller points us.

#include <unistd.h>

#include <cstdlib>

#include "page/pagemap.h"
#include "sys/full_io.h"
#include "sys/memfd.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace frazil;
  static const UniqueFd file = open_memfd("pagemap").value();
  if (::ftruncate(file.get(), 0) != 0 || !pwrite_full(file.get(), bytes, size, 0).ok()) std::abort();
  if (::lseek(file.get(), 0, SEEK_SET) != 0) std::abort();
  const auto map = page::read_pagemap(file.get());
  if (!map.ok()) {
    if (map.error().number != EBADMSG) std::abort();
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
