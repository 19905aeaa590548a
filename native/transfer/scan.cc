#include "transfer/scan.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "sys/full_io.h"
#include "sys/retry.h"
#include "transfer/clock.h"

namespace frazil::transfer {
namespace {

using page::kPageSize;

// Documentation/admin-guide/mm/pagemap.rst.
constexpr uint64_t kPresentBit = uint64_t{1} << 63;
constexpr uint64_t kSwapped = uint64_t{1} << 62;
constexpr uint64_t kOfFile = uint64_t{1} << 61;  // or of shared memory
constexpr size_t kPagemapEntries = 8192;         // read at once: 64 KiB

// A task that ends meanwhile shows as any of these.
bool is_gone(int number) noexcept { return number == ESRCH || number == ENOENT || number == EACCES; }

Result<std::string> read_all(int directory, const char* name) noexcept {
  const UniqueFd file(::openat(directory, name, O_RDONLY | O_CLOEXEC));
  if (!file) return SysError{errno, "openat"};
  std::string text;
  char buffer[64 << 10];
  for (;;) {
    const auto got = read_full(file.get(), buffer, sizeof buffer);
    if (!got.ok()) return got.error();
    text.append(buffer, got.value());
    if (got.value() < sizeof buffer) return text;
  }
}

// What the kernel calls shared memory that is a file of no file system that anybody has mounted: shmem_zero_setup(), memfd, System V.
bool is_shared_memory(const char* path) noexcept {
  constexpr std::string_view kPaths[] = {"/dev/zero (deleted)", "/memfd:", "/SYSV"};
  return std::any_of(std::begin(kPaths), std::end(kPaths),
                     [&](std::string_view prefix) { return std::string_view(path).starts_with(prefix); });
}

// One line of /proc/PID/maps, when it is an area whose memory a dump carries. What the kernel itself has mapped there ([vvar], [vdso]) no
// dump carries.
std::optional<ScanArea> parse_area(const std::string& line) noexcept {
  unsigned long from = 0;
  unsigned long to = 0;
  unsigned long offset = 0;
  unsigned long inode = 0;
  int path = 0;
  char mode[5] = "";
  // Beside the path nothing is as long as this.
  const int got = std::sscanf(line.c_str(), "%lx-%lx %4s %lx %*x:%*x %lu %n", &from, &to, mode, &offset, &inode, &path);
  if (got != 5) return std::nullopt;
  const char* name = line.c_str() + path;
  const bool shared = mode[3] == 's';
  if (shared ? !is_shared_memory(name) : std::string_view(name).starts_with("[v")) return std::nullopt;
  return ScanArea{from, to, shared, offset, inode};
}

std::vector<ScanArea> areas_of(const std::string& maps) {
  std::vector<ScanArea> areas;
  for (size_t at = 0; at < maps.size();) {
    const size_t end = std::min(maps.find('\n', at), maps.size());
    if (const auto area = parse_area(maps.substr(at, end - at))) areas.push_back(*area);
    at = end + 1;
  }
  return areas;
}

}  // namespace

Result<void> Scan::open(const std::vector<ScanTask>& tasks, const Cancel& cancel) noexcept {
  for (const ScanTask& task : tasks) {
    const auto added = add(task, cancel);
    if (!added.ok() && !is_gone(added.error().number)) return added;
  }
  for (auto& [inode, shared] : shared_) add_shared(shared);
  return {};
}

Result<void> Scan::add(const ScanTask& wanted, const Cancel& cancel) noexcept {
  const std::string path = "/proc/" + std::to_string(wanted.pid);
  const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return SysError{errno, "open"};
  const auto maps = read_all(directory.get(), "maps");
  if (!maps.ok()) return maps.error();
  const UniqueFd pagemap(::openat(directory.get(), "pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap) return SysError{errno, "openat"};
  UniqueFd memory(::openat(directory.get(), "mem", O_RDONLY | O_CLOEXEC));
  if (!memory) return SysError{errno, "openat"};
  Task& task = tasks_.emplace_back(page::ImageId{page::ImageId::Kind::task, wanted.id});
  task.memory = std::move(memory);
  for (const ScanArea& area : areas_of(maps.value())) {
    if (cancel.cancelled()) return SysError{ECANCELED, "pread"};
    if (auto added = add_pages(task, pagemap.get(), area); !added.ok()) return added;
  }
  return {};
}

Result<void> Scan::add_pages(Task& task, int pagemap, const ScanArea& area) noexcept {
  uint64_t entries[kPagemapEntries];
  for (uint64_t at = area.from; at < area.to; at += kPagemapEntries * kPageSize) {
    const size_t count = std::min<uint64_t>(kPagemapEntries, (area.to - at) / kPageSize);
    const auto got = pread_full(pagemap, entries, count * sizeof *entries, at / kPageSize * sizeof *entries);
    if (!got.ok()) return got.error();
    for (size_t i = 0; i < got.value() / sizeof *entries; ++i) {
      const bool there = (entries[i] & (kPresentBit | kSwapped)) != 0;
      // In a private area what is a file's has not been written to; in a shared one it is what we look for.
      if (there && (area.shared || (entries[i] & kOfFile) == 0)) add_page(task, area, at + i * kPageSize);
    }
  }
  return {};
}

void Scan::add_page(Task& task, const ScanArea& area, uint64_t address) {
  if (!area.shared) return extend(task.image, {address, &task, address});
  const page::ImageId id{page::ImageId::Kind::shmem, area.inode};
  Shared& shared = shared_.try_emplace(area.inode, id).first->second;
  shared.pages.push_back({area.offset + (address - area.from), &task, address});
}

// Each page once, whoever has it mapped, in the order of the object.
void Scan::add_shared(Shared& shared) {
  auto& pages = shared.pages;
  std::stable_sort(pages.begin(), pages.end(), [](const Seen& a, const Seen& b) { return a.offset < b.offset; });
  const auto same = [](const Seen& a, const Seen& b) { return a.offset == b.offset; };
  pages.erase(std::unique(pages.begin(), pages.end(), same), pages.end());
  for (const Seen& page : pages) extend(shared.image, page);
}

// Adds a page to the last item, or begins another one.
void Scan::extend(page::Image& image, const Seen& page) {
  if (!items_.empty()) {
    auto& [task, address, stretch] = items_.back();
    const uint64_t bytes = stretch.pages * kPageSize;
    const bool next = stretch.image == &image && task == page.task && address + bytes == page.address &&
                      stretch.vaddr + bytes == page.offset && stretch.pages < kMaxFramePages;
    if (next) ++stretch.pages;
    if (next) image.bytes += kPageSize;
    if (next) return;
  }
  items_.push_back({page.task, page.address, {&image, image.bytes, page.offset, 1}});
  image.bytes += kPageSize;
}

Result<void> Scan::run(Level& level, std::vector<Worker>& workers, const Cancel& cancel) noexcept {
  for (Task& task : tasks_) {
    if (auto opened = level.open(task.image); !opened.ok()) return opened;
  }
  for (auto& [inode, shared] : shared_) {
    if (auto opened = level.open(shared.image); !opened.ok()) return opened;
  }
  std::deque<Reader> readers;  // the threads hold pointers to the elements
  Result<void> outcome;
  for (unsigned i = 0; i < workers.size(); ++i) {
    Reader& reader = readers.emplace_back(Reader{this, &level, &workers, &cancel, i, {}, {}});
    auto thread = Thread::spawn("frazil-scan", reader);
    if (!thread.ok()) {
      level.fail();
      outcome = thread.error();
      break;
    }
    reader.thread = std::move(thread).value();
  }
  for (Reader& reader : readers) {
    reader.thread.join();
    // One that gave up because another failed says only that.
    const bool echo = !reader.outcome.ok() && reader.outcome.error().number == ECANCELED;
    if (!reader.outcome.ok() && (outcome.ok() || !echo)) outcome = reader.outcome;
  }
  return outcome;
}

// Items are taken in order, so that what commit() waits for is always in somebody's hands.
Result<void> Scan::read_items(const Reader& reader) noexcept {
  for (;;) {
    const size_t index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= items_.size()) return {};
    if (reader.cancel->cancelled()) {
      reader.level->fail();
      return SysError{ECANCELED, "pread"};
    }
    const auto& [task, address, stretch] = items_[index];
    auto& buffer = (*reader.workers)[reader.index].buffer;
    const uint64_t from = thread_cpu_ns();
    const auto got = pread_full(task->memory.get(), buffer.data(), stretch.pages * kPageSize, address);
    reader.level->add_read(thread_cpu_ns() - from);
    // EIO: the area is gone by now, or the task; what was read before it is good.
    const size_t read = got.ok() ? got.value() / kPageSize : 0;
    if (auto passed = reader.level->pass(reader.index, stretch, read); !passed.ok()) return passed;
  }
}

void Scan::Reader::operator()() noexcept {
  outcome = scan->read_items(*this);
  level->add_cpu(thread_cpu_ns());
}

}  // namespace frazil::transfer
