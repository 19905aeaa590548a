#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/result.h"

namespace frazil::page {

// A pagemap that promises what is not there. CRIU 4.2 does not check: on a pages file that is cut short it reads the end for ever
// and fills its log, hundreds of megabytes a minute.
struct BadImage {
  std::string name;
  uint64_t expected_bytes;  // of the pages file
  uint64_t actual_bytes;    // 0 when it is missing
};

// Compares every pagemap of `names` in `directory` with the size of its pages file; nothing when all agree. EBADMSG, with the name
// of the pagemap in `at`, when one cannot be parsed; ENOTSUP when it has fields of a CRIU that is newer than we know.
Result<std::optional<BadImage>> verify_pages(int directory, const std::vector<std::string>& names, const Cancel& cancel,
                                             std::string* at) noexcept;

}  // namespace frazil::page
