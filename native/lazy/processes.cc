#include "lazy/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string_view>

#include "core/unique_fd.h"
#include "sys/retry.h"

namespace frazil::lazy {
namespace {

std::string path_of(pid_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

// Empty when it cannot be read. Files of /proc have no size.
std::string read_text(const std::string& path) noexcept {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char piece[16384];
  for (;;) {
    const ssize_t n = file ? retry_eintr([&] { return ::read(file.get(), piece, sizeof piece); }) : 0;
    if (n <= 0) return text;
    text.append(piece, static_cast<size_t>(n));
  }
}

template <typename Visit>
void each_number_in(const std::string& path, Visit visit) noexcept {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()),
                                                      [](DIR* open) { return ::closedir(open); });
  if (directory == nullptr) return;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name(entry->d_name);
    pid_t number;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) visit(number);
  }
}

// The fields after the command's name, which may hold anything: from field 3 (state) on.
std::vector<std::string_view> stat_fields(std::string_view stat) {
  std::vector<std::string_view> fields;
  const size_t close = stat.rfind(')');
  if (close == std::string_view::npos) return fields;
  for (size_t at = close + 2; at < stat.size();) {
    const size_t end = std::min(stat.find_first_of(" \n", at), stat.size());
    fields.push_back(stat.substr(at, end - at));
    at = end + 1;
  }
  return fields;
}

constexpr size_t kFirstField = 3;  // proc(5)
constexpr size_t kState = 3 - kFirstField;
constexpr size_t kStartCode = 26 - kFirstField;
constexpr size_t kStartStack = 28 - kFirstField;

uint64_t number_in(const std::vector<std::string_view>& fields, size_t i) noexcept {
  uint64_t value = 0;
  if (i < fields.size()) (void)std::from_chars(fields[i].data(), fields[i].data() + fields[i].size(), value);
  return value;
}

}  // namespace

bool is_mapped(pid_t pid, uint64_t address) noexcept {
  const std::string maps = read_text(path_of(pid, "maps"));
  for (size_t at = 0; at < maps.size(); at = std::min(maps.find('\n', at), maps.size()) + 1) {
    uint64_t from;
    uint64_t to;
    const char* end = maps.data() + maps.size();
    const auto first = std::from_chars(maps.data() + at, end, from, 16);
    if (first.ptr == end || *first.ptr != '-') return false;
    (void)std::from_chars(first.ptr + 1, end, to, 16);
    if (from <= address && address < to) return true;
  }
  return false;
}

Likeness likeness_of(pid_t pid) noexcept {
  struct stat space{};
  if (::stat(path_of(pid, "ns/pid").c_str(), &space) == -1) return {};
  const std::string text = read_text(path_of(pid, "stat"));
  const auto fields = stat_fields(text);
  return {space.st_ino, number_in(fields, kStartCode), number_in(fields, kStartStack)};
}

bool has_no_living_thread(pid_t pid) noexcept {
  bool living = false;
  each_number_in(path_of(pid, "task"), [&](pid_t thread) {
    const std::string text = read_text(path_of(pid, ("task/" + std::to_string(thread) + "/stat").c_str()));
    const auto fields = stat_fields(text);
    if (fields.size() > kState && fields[kState] != "Z" && fields[kState] != "X") living = true;
  });
  return !living;
}

std::vector<pid_t> children_of(pid_t pid) noexcept {
  std::vector<pid_t> children;
  each_number_in(path_of(pid, "task"), [&](pid_t thread) {
    const std::string text = read_text(path_of(pid, ("task/" + std::to_string(thread) + "/children").c_str()));
    for (const char *at = text.data(), *end = at + text.size(); at < end; ++at) {
      pid_t child;
      const auto read = std::from_chars(at, end, child);
      if (read.ec != std::errc()) break;
      children.push_back(child);
      at = read.ptr;
    }
  });
  return children;
}

std::vector<pid_t> all_processes() noexcept {
  std::vector<pid_t> all;
  each_number_in("/proc", [&](pid_t pid) { all.push_back(pid); });
  return all;
}

// "um" among the flags of a mapping: userfaultfd, missing pages (Documentation/filesystems/proc.rst).
bool has_userfault_range(pid_t pid) noexcept {
  const std::string text = read_text(path_of(pid, "smaps"));
  for (size_t at = text.find("VmFlags:"); at != std::string::npos; at = text.find("VmFlags:", at + 1)) {
    const std::string_view line = std::string_view(text).substr(at, text.find('\n', at) - at);
    if (line.find(" um") != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace frazil::lazy
