#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/result.h"
#include "core/unique_fd.h"
#include "stream/copy.h"

namespace frazil::archive {

using Bytes = std::vector<std::byte>;

// A member, or several: `head` as it is, then so many bytes of a file, then zeros up to the next block. Without a name only `head`,
// which then is whole blocks.
struct Addition {
  Bytes head;
  std::string name;  // below the folder that it is given with; may have slashes
  uint64_t bytes = 0;
  // Of the content of the member that the last one without this has begun: an archive within the archive.
  bool within = false;
};

// The regular file of a member, below a folder that others may change meanwhile: through no link, and without waiting for the other end of
// what has become a pipe. EINVAL when it is no regular file.
Result<UniqueFd> open_member(int folder, const Addition& addition) noexcept;

// What stands behind the content of a member: zeros up to the next block.
std::span<const std::byte> padding_of(uint64_t bytes) noexcept;

// All of them, at the position of `to`: a pipe, a socket or a file. The kernel moves the contents where it can. EIO when a file has become
// shorter than was said.
Result<void> write_members(int folder, std::span<const Addition> additions, int to, const Cancel& cancel,
                           stream::Counters& counters) noexcept;

}  // namespace frazil::archive
