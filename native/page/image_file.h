#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil::page {

// Creates `name` in `directory` with mode 0600, replacing what is there. ELOOP for a symbolic link: it would lead elsewhere.
Result<UniqueFd> create_image_file(int directory, const std::string& name, int access) noexcept;

// Opens what create_image_file() made, to read and write it.
Result<UniqueFd> reopen_image_file(int directory, const std::string& name) noexcept;

// A file system may find out late that it cannot keep what write() took (NFS: ENOSPC, EDQUOT, EIO), and says so when a
// descriptor is closed. Asks by closing a duplicate. It is no fsync: a crash of the machine can still lose the file.
Result<void> check_written(int file) noexcept;

// Makes `name` survive a crash of the machine.
Result<void> sync_image_file(int directory, const std::string& name) noexcept;

}  // namespace frazil::page
