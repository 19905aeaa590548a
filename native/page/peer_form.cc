#include "page/peer_form.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "page/pagemap.h"
#include "page/pagemap_reader.h"
#include "page/peer_socket.h"

namespace frazil::page {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// For an answer that must come.
constexpr milliseconds kPatience{10'000};
// For one that a narrow peer gives at once: taking it for a wide one is noticed by the second question, and refused.
constexpr milliseconds kNarrowPatience{700};

bool is_task_pagemap(std::string_view name) noexcept {
  constexpr std::string_view kBefore = "pagemap-";
  constexpr std::string_view kAfter = ".img";
  if (!name.starts_with(kBefore) || !name.ends_with(kAfter) || name.size() <= kBefore.size() + kAfter.size())
    return false;
  name.remove_prefix(kBefore.size());
  name.remove_suffix(kAfter.size());
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// 4.2 leaves the old count at 0, 4.1 has no new one.
std::optional<HeaderForm> form_of(int pagemap) noexcept {
  PagemapReader reader(pagemap);
  PagemapFields fields;
  if (!reader.head(&fields) || !reader.next(&fields)) return std::nullopt;
  if (!fields[5]) return HeaderForm::narrow;
  return fields[2].value_or(0) == 0 ? HeaderForm::wide : HeaderForm::unknown;
}

struct Question {
  std::byte bytes[kWideBytes];
};

// Its first 24 bytes are the narrow question, all 32 the wide one.
Question question() noexcept {
  constexpr uint64_t kSomeTask = 1 << 8 | 1;
  Question one;
  put_header(HeaderForm::wide, {Command::parent, 0, 0, kSomeTask, kSomeTask}, one.bytes);
  return one;
}

Result<bool> ask(int socket, std::span<const std::byte> bytes, milliseconds patience) noexcept {
  if (auto said = say({socket, bytes}); !said.ok()) return said.error();
  int32_t has_parent = 0;
  auto heard = hear(socket, &has_parent, patience);
  if (heard.ok() && heard.value() && has_parent != 0 && has_parent != 1) return SysError{EBADMSG, "protocol"};
  return heard;
}

Result<HeaderForm> find_out(int socket, HeaderForm likely) noexcept {
  const Question one = question();
  const std::span<const std::byte> all(one.bytes);
  if (likely != HeaderForm::wide) {
    const auto narrow = ask(socket, all.first(kNarrowBytes), kNarrowPatience);
    if (!narrow.ok()) return narrow.error();
    if (narrow.value()) return HeaderForm::narrow;
  }
  const auto wide = ask(socket, likely == HeaderForm::wide ? all : all.subspan(kNarrowBytes), kPatience);
  if (!wide.ok()) return wide.error();
  if (!wide.value()) return SysError{ETIMEDOUT, "recv"};
  return HeaderForm::wide;
}

}  // namespace

Result<HeaderForm> form_of_images(int directory) noexcept {
  const UniqueFd copy(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy) return SysError{errno, "openat"};
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(::fcntl(copy.get(), F_DUPFD_CLOEXEC, 0)),
                                                    [](DIR* open) { return ::closedir(open); });
  while (const dirent* entry = listing == nullptr ? nullptr : ::readdir(listing.get())) {
    if (!is_task_pagemap(entry->d_name)) continue;
    auto pagemap = open_pagemap(directory, entry->d_name);
    if (!pagemap.ok()) return pagemap.error();
    if (const auto form = form_of(pagemap.value().get())) return *form;
  }
  return HeaderForm::unknown;
}

Result<Acquaintance> meet(int socket, HeaderForm likely) noexcept {
  const auto form = find_out(socket, likely);
  if (!form.ok()) return form.error();
  // A peer that was taken for another one stumbles over this, before anything depends on it.
  const Question one = question();
  const auto asked = Clock::now();
  const auto again = ask(socket, std::span<const std::byte>(one.bytes).first(length_of(form.value())), kPatience);
  if (!again.ok()) return again.error();
  if (!again.value()) return SysError{ETIMEDOUT, "recv"};
  const auto trip = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - asked);
  return Acquaintance{form.value(), static_cast<uint64_t>(trip.count())};
}

}  // namespace frazil::page
