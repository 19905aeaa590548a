#pragma once

// CRIU's end of the page socket, and what is around a reception, for the tests of native/page. The client speaks as
// criu/page-xfer.c does: both header forms, payload spliced from a pipe into which it was vmspliced.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "core/thread.h"
#include "page/sink.h"
#include "sys/socket_pair.h"

namespace frazil::page {

using Bytes = std::vector<std::byte>;

// How payload goes into the socket: from task pages as CRIU does, in plain large writes, in writes that respect no page, or
// only after the server has taken what went before.
enum class Way { splice, write, odd_writes, slow };

class FakeCriu {
 public:
  FakeCriu(int socket, HeaderForm form, Way way = Way::splice) noexcept : socket_(socket), form_(form), way_(way) {}

  // All are false or empty once the server has hung up.
  bool send(uint32_t cmd, uint64_t pages, uint64_t vaddr, uint64_t dst_id);
  std::optional<bool> open2(uint64_t dst_id);
  std::optional<bool> ask_parent(uint64_t dst_id);
  bool run(uint32_t flags, uint64_t vaddr, uint64_t pages);
  // A run with PRESENT (and `more` flags), followed by `payload`, which must not change before CLOSE is answered.
  bool pages(uint64_t vaddr, std::span<const std::byte> payload, uint32_t more = 0);
  bool payload(std::span<const std::byte> bytes);
  std::optional<int32_t> close(Command command = Command::force_close);

 private:
  bool write_all(const void* from, size_t bytes);
  bool splice_all(std::span<const std::byte> bytes);
  void wait_until_taken();
  template <typename T>
  std::optional<T> receive();

  int socket_;
  HeaderForm form_;
  Way way_;
};

constexpr uint64_t task_id(uint64_t pid) { return pid << 8 | 1; }
constexpr uint64_t shmem_id(uint64_t id) { return id << 8 | 2; }

// A directory of its own on a disk, gone with its owner.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  // A folder in it, made if need be.
  UniqueFd folder(const std::string& name) const;
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

// The root of a tmpfs that is full after `bytes`; empty without CAP_SYS_ADMIN.
UniqueFd open_limited_tmpfs(size_t bytes);

UniqueFd duplicate(int fd);
// The whole file; empty when it is not there.
Bytes read_file(int directory, const std::string& name);
// What the file takes on its file system.
uint64_t allocated(int directory, const std::string& name);
bool exists(int directory, const std::string& name);
size_t thread_count();

Bytes random_pages(std::mt19937& random, size_t pages);
inline Bytes zero_pages(size_t pages) { return Bytes(pages * kPageSize); }

// One dump into `directory`.
struct Dump {
  Dump(int directory, StoreKind store, int parent = -1);
  // Serves one client that does `talk(client)`, on a thread as the addon does, and gives the failure back, if any.
  template <typename Talk>
  std::optional<Failure> serve(HeaderForm form, Way way, Talk talk);
  bool settle() { return sink->settle(cancel).ok(); }

  std::shared_ptr<Counters> counters = std::make_shared<Counters>();
  std::unique_ptr<Sink> sink;
  Cancel cancel = Cancel::open().value();
};

template <typename Talk>
std::optional<Failure> Dump::serve(HeaderForm form, Way way, Talk talk) {
  SocketPair pair = stream_pair(size_t{8} << 20).value();
  std::optional<Failure> failure;
  auto body = [&]() noexcept {
    failure = sink->serve(pair.first.get(), cancel);
    pair.first.reset();
  };
  Thread thread = Thread::spawn("server", body).value();
  FakeCriu client(pair.second.get(), form, way);
  talk(client);
  pair.second.reset();
  thread.join();
  return failure;
}

}  // namespace frazil::page
