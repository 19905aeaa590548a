#include "page/levels.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace frazil::page {
namespace {

// A chain of hourly increments over months.
constexpr size_t kMaxLevels = 4096;
constexpr const char* kLink = "parent";

struct Identity {
  dev_t device;
  ino_t inode;
  bool operator==(const Identity&) const = default;
};

Result<Identity> identify(int directory) noexcept {
  struct stat status;
  if (::fstat(directory, &status) == -1) return SysError{errno, "fstat"};
  return Identity{status.st_dev, status.st_ino};
}

// The level below, or an empty one at the end of the chain. A link that leads nowhere is a broken chain, not its end.
Result<UniqueFd> open_below(int directory) noexcept {
  UniqueFd below(::openat(directory, kLink, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (below) return below;
  const int number = errno;
  struct stat link;
  const bool absent = ::fstatat(directory, kLink, &link, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT;
  if (absent) return UniqueFd();
  return SysError{number, "openat"};
}

}  // namespace

Result<std::vector<UniqueFd>> open_levels(UniqueFd nearest) noexcept {
  std::vector<UniqueFd> levels;
  if (const auto fault = open_levels(std::move(nearest), &levels)) return fault->error;
  return levels;
}

std::optional<ImageFault> open_levels(UniqueFd nearest, std::vector<UniqueFd>* levels) noexcept {
  std::vector<Identity> seen;
  const auto failed = [&](SysError error) {
    const size_t level = seen.empty() ? 0 : seen.size() - 1;
    return ImageFault{.flaw = Flaw::system, .error = error, .level = static_cast<uint32_t>(level), .name = kLink};
  };
  while (nearest) {
    const auto identity = identify(nearest.get());
    if (!identity.ok()) return failed(identity.error());
    const bool again = std::find(seen.begin(), seen.end(), identity.value()) != seen.end();
    if (again || seen.size() == kMaxLevels) return failed({ELOOP, "openat"});
    seen.push_back(identity.value());
    auto below = open_below(nearest.get());
    if (!below.ok()) return failed(below.error());
    levels->push_back(std::move(nearest));
    nearest = std::move(below).value();
  }
  return {};
}

}  // namespace frazil::page
