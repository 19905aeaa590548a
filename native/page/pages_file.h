#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/result.h"
#include "core/unique_fd.h"
#include "page/stored_pages.h"

namespace frazil::page {

// A pages-N.img that a running tree depends on. Read with pread(), not mapped: a mapped file that somebody cuts short is SIGBUS, a
// mapped hole of a tmpfs takes memory, and looking for holes (SEEK_HOLE) there costs 50 ns for each page up to the next. The second
// copy stays in the processor's cache, where the zero pages are found, too. Thread-safe.
class PagesFile final : public StoredPages {
 public:
  // ELOOP for a symbolic link, EBADMSG for what is no regular file, ENODATA when it is shorter than `bytes`.
  static Result<std::unique_ptr<PagesFile>> open(int directory, const std::string& name, uint64_t bytes) noexcept;

  // Fills all of `into`. ENODATA when the file ends before, ESTALE when somebody has written to it or cut it since it was opened (a write
  // through a mapping is seen late).
  Result<void> read(uint64_t offset, std::span<std::byte> into) const noexcept override;

 private:
  PagesFile(UniqueFd file, const struct stat& status) noexcept : file_(std::move(file)), status_(status) {}

  Result<void> check() const noexcept;

  UniqueFd file_;
  struct stat status_;
};

}  // namespace frazil::page
