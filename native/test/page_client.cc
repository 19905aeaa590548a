#include "test/page_client.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "sys/pipe.h"
#include "sys/retry.h"

namespace frazil::page {

bool FakeCriu::write_all(const void* from, size_t bytes) {
  for (auto at = static_cast<const char*>(from); bytes > 0;) {
    const ssize_t n = retry_eintr([&] { return ::send(socket_, at, bytes, MSG_NOSIGNAL); });
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

template <typename T>
std::optional<T> FakeCriu::receive() {
  T value;
  // As CRIU: one recv() without MSG_WAITALL.
  const ssize_t n = retry_eintr([&] { return ::recv(socket_, &value, sizeof value, 0); });
  if (n != static_cast<ssize_t>(sizeof value)) return {};
  return value;
}

bool FakeCriu::send(uint32_t cmd, uint64_t pages, uint64_t vaddr, uint64_t dst_id) {
  if (form_ == HeaderForm::narrow) {
    const NarrowHeader header{cmd, static_cast<uint32_t>(pages), vaddr, dst_id};
    return write_all(&header, sizeof header);
  }
  // CRIU does not clear the padding.
  const WideHeader header{cmd, 0x5a5a5a5a, pages, vaddr, dst_id};
  return write_all(&header, sizeof header);
}

std::optional<bool> FakeCriu::open2(uint64_t dst_id) {
  if (!send(static_cast<uint32_t>(Command::open2), 0, 0, dst_id)) return {};
  const auto answer = receive<uint8_t>();
  if (!answer) return {};
  return *answer != 0;
}

std::optional<bool> FakeCriu::ask_parent(uint64_t dst_id) {
  if (!send(static_cast<uint32_t>(Command::parent), 0, 0, dst_id)) return {};
  const auto answer = receive<int32_t>();
  if (!answer) return {};
  return *answer != 0;
}

bool FakeCriu::run(uint32_t flags, uint64_t vaddr, uint64_t pages) {
  return send(static_cast<uint32_t>(Command::add_f) | flags << 16, pages, vaddr, 0);
}

bool FakeCriu::pages(uint64_t vaddr, std::span<const std::byte> bytes, uint32_t more) {
  return run(kPresent | more, vaddr, bytes.size() / kPageSize) && payload(bytes);
}

bool FakeCriu::payload(std::span<const std::byte> bytes) {
  if (way_ == Way::splice) return splice_all(bytes);
  if (way_ == Way::write) return write_all(bytes.data(), bytes.size());
  // Primes: neither a page nor anything that a page is a multiple of.
  const size_t step = way_ == Way::slow ? size_t{5} * kPageSize : 509;
  for (size_t at = 0; at < bytes.size(); at += step) {
    if (way_ == Way::slow) wait_until_taken();
    if (!write_all(bytes.data() + at, std::min(step, bytes.size() - at))) return false;
  }
  return true;
}

void FakeCriu::wait_until_taken() {
  for (int queued = 1; ::ioctl(socket_, SIOCOUTQ, &queued) == 0 && queued > 0;) (void)::sched_yield();
}

bool FakeCriu::splice_all(std::span<const std::byte> bytes) {
  const Pipe pipe = open_pipe(size_t{1} << 20).value();
  while (!bytes.empty()) {
    const iovec body{const_cast<std::byte*>(bytes.data()), bytes.size()};
    const ssize_t mapped = ::vmsplice(pipe.write.get(), &body, 1, SPLICE_F_NONBLOCK);
    if (mapped <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(mapped));
    for (auto left = static_cast<size_t>(mapped); left > 0;) {
      const ssize_t n = ::splice(pipe.read.get(), nullptr, socket_, nullptr, left, SPLICE_F_MOVE);
      if (n <= 0) return false;
      left -= static_cast<size_t>(n);
    }
  }
  return true;
}

std::optional<int32_t> FakeCriu::close(Command command) {
  if (!send(static_cast<uint32_t>(command), 0, 0, 0)) return {};
  return receive<int32_t>();
}

TempDir::TempDir() {
  char name[] = "/tmp/frazil-page-XXXXXX";
  if (::mkdtemp(name) == nullptr) std::abort();
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

UniqueFd TempDir::folder(const std::string& name) const {
  const std::string path = path_ + "/" + name;
  (void)::mkdir(path.c_str(), 0700);
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

UniqueFd open_limited_tmpfs(size_t bytes) {
  constexpr unsigned kSetString = 1;  // linux/mount.h: FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE
  constexpr unsigned kCreate = 6;
  const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", 1)));
  if (!context) return {};
  if (::syscall(SYS_fsconfig, context.get(), kSetString, "size", std::to_string(bytes).c_str(), 0) != 0) return {};
  if (::syscall(SYS_fsconfig, context.get(), kCreate, nullptr, nullptr, 0) != 0) return {};
  return UniqueFd(static_cast<int>(::syscall(SYS_fsmount, context.get(), 1, 0)));
}

UniqueFd duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

Bytes read_file(int directory, const std::string& name) {
  const UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status;
  if (!file || ::fstat(file.get(), &status) == -1) return {};
  Bytes found(static_cast<size_t>(status.st_size));
  for (size_t at = 0; at < found.size();) {
    const ssize_t n = ::read(file.get(), found.data() + at, found.size() - at);
    if (n <= 0) return {};
    at += static_cast<size_t>(n);
  }
  return found;
}

uint64_t allocated(int directory, const std::string& name) {
  struct stat status;
  if (::fstatat(directory, name.c_str(), &status, 0) == -1) return 0;
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

bool exists(int directory, const std::string& name) { return ::faccessat(directory, name.c_str(), F_OK, 0) == 0; }

size_t thread_count() {
  size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) count += task.exists() ? 1 : 0;
  return count;
}

Bytes random_pages(std::mt19937& random, size_t pages) {
  Bytes bytes(pages * kPageSize);
  // Knuth's generator: the library's own takes most of a test's time under TSan.
  uint64_t state = random();
  for (size_t at = 0; at < bytes.size(); at += sizeof state) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const uint64_t word = state | 1;  // no page is zero
    std::memcpy(bytes.data() + at, &word, sizeof word);
  }
  return bytes;
}

Dump::Dump(int directory, StoreKind store, int parent) {
  SinkOptions options;
  options.store = store;
  UniqueFd below = parent == -1 ? UniqueFd() : duplicate(parent);
  sink = Sink::open(duplicate(directory), std::move(below), options, counters).value();
}

}  // namespace frazil::page
