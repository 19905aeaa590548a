#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// A new file in `directory` that nobody finds and that ends with its fd, to be read and written. Where the file system has no files without
// a name (FUSE, NFS, FAT), it has one for a moment: ".frazil-" and a random number.
Result<UniqueFd> open_nameless(int directory) noexcept;

}  // namespace frazil
