#include "archive/members.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "stream/ends.h"
#include "sys/openat2.h"

namespace frazil::archive {
namespace {

constexpr uint64_t kBlockBytes = 512;

}  // namespace

Result<UniqueFd> open_member(int folder, const Addition& addition) noexcept {
  auto file = open_beneath(folder, addition.name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (!file.ok()) return file;
  struct stat status{};
  if (::fstat(file.value().get(), &status) == -1) return SysError{errno, "fstat"};
  if (!S_ISREG(status.st_mode)) return SysError{EINVAL, "openat2"};
  return file;
}

std::span<const std::byte> padding_of(uint64_t bytes) noexcept {
  static constexpr std::array<std::byte, kBlockBytes> kZeros{};
  return std::span(kZeros).first((kBlockBytes - bytes % kBlockBytes) % kBlockBytes);
}

Result<void> write_members(int folder, std::span<const Addition> additions, int to, const Cancel& cancel,
                           stream::Counters& counters) noexcept {
  auto opened = stream::Writer::over(to);
  if (!opened.ok()) return opened.error();
  stream::Writer& writer = opened.value();
  for (const Addition& addition : additions) {
    if (auto put = writer.write(addition.head.data(), addition.head.size(), cancel); !put.ok()) return put;
    if (addition.name.empty()) continue;
    auto file = open_member(folder, addition);
    if (!file.ok()) return file.error();
    const auto copied = stream::copy({file.value().get(), 0, to, false}, addition.bytes, nullptr, cancel, counters);
    if (!copied.ok()) return copied.error();
    if (copied.value() < addition.bytes) return SysError{EIO, "splice"};
    const auto padding = padding_of(addition.bytes);
    if (auto put = writer.write(padding.data(), padding.size(), cancel); !put.ok()) return put;
  }
  return {};
}

}  // namespace frazil::archive
