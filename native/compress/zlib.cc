#include "compress/zlib.h"

namespace frazil::compress {

Result<SharedLibrary> open_zlib() noexcept {
  auto library = SharedLibrary::of_process();
  // Both have all of the functions or none.
  int (*probe)(ZStream*, int) = nullptr;
  if (!library.ok() || !library.value().find("deflate", probe)) library = SharedLibrary::open("libz.so.1");
  return library;
}

}  // namespace frazil::compress
