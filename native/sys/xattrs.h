#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/result.h"

namespace frazil {

struct Xattr {
  std::string name;
  std::vector<std::byte> value;
};

// The extended attributes of what `path` names, of a link its own. None where the file system has none; one that is removed meanwhile is
// left out. Who is root sees trusted.* as well.
Result<std::vector<Xattr>> read_xattrs(const char* path) noexcept;

}  // namespace frazil
