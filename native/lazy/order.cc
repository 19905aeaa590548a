#include "lazy/order.h"

#include <sys/stat.h>

#include <charconv>
#include <string>
#include <string_view>

#include "sys/full_io.h"

namespace frazil::lazy {
namespace {

constexpr std::string_view kTitle = "frazil-lazy-order 1\n";
// A line per page of 1 GiB is 8 MB; no order of faults is longer than some thousand lines.
constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr uint64_t kMaxPages = uint64_t{1} << 40;

bool take_number(std::string_view& text, int base, char after, uint64_t* value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  if (error != std::errc() || end == text.data() + text.size() || *end != after) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  return true;
}

bool take_run(std::string_view& text, OrderedRun* run) noexcept {
  return take_number(text, 10, ' ', &run->image) && take_number(text, 16, ' ', &run->vaddr) &&
         take_number(text, 10, '\n', &run->pages) && run->vaddr % page::kPageSize == 0 && run->pages > 0 &&
         run->pages <= kMaxPages;
}

}  // namespace

void Recorder::note(const page::Want& want) noexcept {
  const std::lock_guard guard(mutex_);
  if (!runs_.empty()) {
    OrderedRun& last = runs_.back();
    if (last.image == want.image.id && last.vaddr + last.pages * page::kPageSize == want.vaddr) {
      last.pages += want.pages;
      return;
    }
  }
  runs_.push_back({want.image.id, want.vaddr, want.pages});
}

Result<void> Recorder::write(int file) noexcept {
  std::string text(kTitle);
  const std::lock_guard guard(mutex_);
  for (const OrderedRun& run : runs_) {
    char digits[20];
    const auto hex = std::to_chars(digits, digits + sizeof digits, run.vaddr, 16);
    text += std::to_string(run.image) + ' ' + std::string(digits, hex.ptr) + ' ' + std::to_string(run.pages) + '\n';
  }
  return write_full(file, text.data(), text.size());
}

Result<std::vector<OrderedRun>> read_order(int file) noexcept {
  struct stat status{};
  if (::fstat(file, &status) == -1) return SysError{errno, "fstat"};
  if (static_cast<uint64_t>(status.st_size) > kMaxBytes) return SysError{EBADMSG, "read"};
  std::string text(static_cast<size_t>(status.st_size), '\0');
  const auto got = read_full(file, text.data(), text.size());
  if (!got.ok()) return got.error();
  std::string_view rest(text.data(), got.value());
  if (!rest.starts_with(kTitle)) return SysError{EBADMSG, "read"};
  rest.remove_prefix(kTitle.size());
  std::vector<OrderedRun> runs;
  for (OrderedRun run{}; take_run(rest, &run);) runs.push_back(run);
  return runs;
}

}  // namespace frazil::lazy
