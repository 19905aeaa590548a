#include "page/verify.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "page/pagemap.h"

namespace frazil::page {

Result<std::optional<BadImage>> verify_pages(int directory, const std::vector<std::string>& names, const Cancel& cancel,
                                             std::string* at) noexcept {
  for (const std::string& name : names) {
    *at = name;
    if (cancel.cancelled()) return SysError{ECANCELED, "read"};
    const auto map = read_pagemap(directory, name);
    if (!map.ok()) return map.error();
    uint64_t expected = 0;
    for (const PagemapEntry& entry : map.value().entries) {
      if ((entry.flags & kPresent) != 0) expected += entry.pages * kPageSize;
    }
    if (expected == 0) continue;
    const std::string pages = pages_name(map.value().pages_id);
    struct stat status{};
    if (::fstatat(directory, pages.c_str(), &status, 0) == -1 && errno != ENOENT) return SysError{errno, "fstatat"};
    const auto actual = static_cast<uint64_t>(status.st_size);
    if (actual < expected) return std::optional<BadImage>({pages, expected, actual});
  }
  return std::optional<BadImage>();
}

}  // namespace frazil::page
