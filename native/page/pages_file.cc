#include "page/pages_file.h"

#include <fcntl.h>

#include <cerrno>

#include "sys/full_io.h"

namespace frazil::page {
namespace {

bool same(const timespec& a, const timespec& b) noexcept { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

}  // namespace

Result<std::unique_ptr<PagesFile>> PagesFile::open(int directory, const std::string& name, uint64_t bytes) noexcept {
  UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) return SysError{errno, "openat"};
  struct stat status{};
  if (::fstat(file.get(), &status) == -1) return SysError{errno, "fstat"};
  if (!S_ISREG(status.st_mode)) return SysError{EBADMSG, "openat"};
  if (static_cast<uint64_t>(status.st_size) < bytes) return SysError{ENODATA, "pagemap"};
  return std::unique_ptr<PagesFile>(new PagesFile(std::move(file), status));
}

// A write changes the times before the data, a cut the size: who looks after the read has seen every change that the read may have.
Result<void> PagesFile::read(uint64_t offset, std::span<std::byte> into) const noexcept {
  const auto got = pread_full(file_.get(), into.data(), into.size(), offset);
  if (!got.ok()) return got.error();
  if (got.value() < into.size()) return SysError{ENODATA, "pread"};
  return check();
}

Result<void> PagesFile::check() const noexcept {
  struct stat now{};
  if (::fstat(file_.get(), &now) == -1) return SysError{errno, "fstat"};
  if (now.st_size == status_.st_size && same(now.st_mtim, status_.st_mtim)) return {};
  return SysError{ESTALE, "pread"};
}

}  // namespace frazil::page
