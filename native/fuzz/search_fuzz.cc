// libFuzzer target: BytePattern finds what std::search finds, wherever the text lies in memory and whatever is in it. First byte: how long the
// pattern is, and by how much the text is off a boundary; a text of few different bytes has the most near misses.

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "page/byte_search.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const size_t length = std::min<size_t>(1 + data[0] % 40, size - 2);
  const std::string pattern(reinterpret_cast<const char*>(data) + 2, length);
  // Exactly as long as it is, so that a byte too many is seen.
  const size_t off = data[1] % 64;
  std::vector<uint8_t> memory(off, 0);
  memory.insert(memory.end(), data + 2 + length, data + size);
  memory.shrink_to_fit();
  const std::span<const uint8_t> text(memory.data() + off, memory.size() - off);
  const frazil::page::BytePattern needle(pattern);
  for (size_t from = 0; from <= text.size();) {
    const auto wanted =
        std::search(text.begin() + static_cast<ptrdiff_t>(from), text.end(), data + 2, data + 2 + length);
    const size_t found = needle.find(text, from);
    if (found != static_cast<size_t>(wanted - text.begin())) std::abort();
    from = found + 1;
  }
  return 0;
}
