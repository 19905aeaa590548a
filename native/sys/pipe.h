#pragma once

#include <cstddef>

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

// `capacity` in bytes is a wish; 0 keeps the kernel's own (64 KiB).
Result<Pipe> open_pipe(size_t capacity) noexcept;

}  // namespace frazil
