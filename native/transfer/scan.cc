#include "transfer/scan.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "sys/full_io.h"
#include "sys/retry.h"

namespace frazil::transfer {
namespace {

using page::kPageSize;

// Documentation/admin-guide/mm/pagemap.rst.
constexpr uint64_t kPresentBit = uint64_t{1} << 63;
constexpr uint64_t kSwapped = uint64_t{1} << 62;
constexpr uint64_t kOfFile = uint64_t{1} << 61;  // or shared
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

struct Area {
  uint64_t from;
  uint64_t to;
};

// The private areas of /proc/PID/maps. What the kernel itself has mapped there ([vvar], [vdso]) no dump carries.
std::vector<Area> private_areas(const std::string& maps) {
  std::vector<Area> areas;
  for (size_t at = 0; at < maps.size();) {
    const size_t end = std::min(maps.find('\n', at), maps.size());
    const std::string line = maps.substr(at, end - at);
    at = end + 1;
    unsigned long from = 0;
    unsigned long to = 0;
    char mode[5] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, mode) != 3) continue;
    const bool kernels = line.find("[v") != std::string::npos;
    if (mode[3] == 'p' && !kernels) areas.push_back({from, to});
  }
  return areas;
}

uint64_t thread_cpu_ns() noexcept {
  timespec now{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Result<void> Scan::open(const std::vector<ScanTask>& tasks, const Cancel& cancel) noexcept {
  for (const ScanTask& task : tasks) {
    const auto added = add(task, cancel);
    if (!added.ok() && !is_gone(added.error().number)) return added;
  }
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
  for (const Area& area : private_areas(maps.value())) {
    if (cancel.cancelled()) return SysError{ECANCELED, "pread"};
    if (auto added = add_pages(task, pagemap.get(), area.from, area.to); !added.ok()) return added;
  }
  return {};
}

Result<void> Scan::add_pages(Task& task, int pagemap, uint64_t from, uint64_t to) noexcept {
  uint64_t entries[kPagemapEntries];
  uint64_t begun = 0;
  uint64_t pages = 0;
  for (uint64_t at = from; at < to; at += sizeof entries / sizeof *entries * kPageSize) {
    const size_t count = std::min<uint64_t>(kPagemapEntries, (to - at) / kPageSize);
    const auto got = pread_full(pagemap, entries, count * sizeof *entries, at / kPageSize * sizeof *entries);
    if (!got.ok()) return got.error();
    for (size_t i = 0; i < got.value() / sizeof *entries; ++i) {
      const bool wanted = (entries[i] & (kPresentBit | kSwapped)) != 0 && (entries[i] & kOfFile) == 0;
      if (wanted && pages == 0) begun = at + i * kPageSize;
      if (wanted) ++pages;
      if (pages > 0 && (!wanted || pages == kMaxFramePages)) {
        add_run(task, begun, pages, &items_);
        pages = 0;
      }
    }
  }
  if (pages > 0) add_run(task, begun, pages, &items_);
  return {};
}

void Scan::add_run(Task& task, uint64_t from, uint64_t pages, std::vector<Item>* items) {
  const uint64_t bytes = pages * kPageSize;
  items->push_back({&task, {&task.image, task.image.bytes, from, pages}});
  task.image.bytes += bytes;
}

Result<void> Scan::run(Level& level, std::vector<Worker>& workers, const Cancel& cancel) noexcept {
  for (Task& task : tasks_) {
    if (auto opened = level.open(task.image); !opened.ok()) return opened;
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
    const auto& [task, stretch] = items_[index];
    auto& buffer = (*reader.workers)[reader.index].buffer;
    const auto got = pread_full(task->memory.get(), buffer.data(), stretch.pages * kPageSize, stretch.vaddr);
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
