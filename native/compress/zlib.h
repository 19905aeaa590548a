#pragma once

#include "core/result.h"
#include "sys/shared_library.h"

// zlib's stream, for those who compress with it and those who read. The prototypes are ours: a stable interface since 1.2.0 (2003), whose
// library checks the size of the struct by itself.

namespace frazil::compress {

struct ZStream {  // z_stream
  const void* next_in;
  unsigned avail_in;
  unsigned long total_in;
  void* next_out;
  unsigned avail_out;
  unsigned long total_out;
  const char* message;
  void* state;
  void* allocate;
  void* release;
  void* opaque;
  int data_type;
  unsigned long checksum;
  unsigned long reserved;
};

constexpr int kZStreamEnd = 1;
constexpr int kGzipWindow = 15 + 16;          // the largest window, with gzip's header and trailer
constexpr const char* kZlibVersion = "1.2.0";  // only the first character is compared

// zlib of the node program, which exports it for addons, or else libz.so.1. ELIBACC when there is neither.
Result<SharedLibrary> open_zlib() noexcept;

}  // namespace frazil::compress
