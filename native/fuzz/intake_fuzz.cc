// libFuzzer target: the destination of a migration, over any bytes on its page streams. First byte: how many streams, whether there is a level
// below, whether lazy pages may stay behind. The rest is dealt to the streams. What is taken for whole must be: each pagemap is good and lies
// within its pages file, and nothing is larger than was announced.

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

#include "page/image_file.h"
#include "sys/private_tmpfs.h"
#include "sys/socket_pair.h"
#include "transfer/intake.h"

namespace {

using namespace frazil;
using namespace frazil::page;
using transfer::Intake;

constexpr uint64_t kFirst = 0x10000;
constexpr uint64_t kPages = 64;
constexpr size_t kMostStreams = 4;

UniqueFd copy_of(const UniqueFd& fd) { return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)); }

// The level below: pages of task 1.
UniqueFd make_parent() {
  UniqueFd directory = open_private_tmpfs(PageBacking::small).value();
  PagemapWriter map(1);
  if (!map.append({kFirst, 8, kPresent})) std::abort();
  if (!map.write(directory.get(), {ImageId::Kind::task, 1}).ok()) std::abort();
  const UniqueFd pages = create_image_file(directory.get(), "pages-1.img", O_RDWR).value();
  if (::ftruncate(pages.get(), 8 * kPageSize) != 0) std::abort();
  return directory;
}

void check_image(int directory, const char* name) {
  const auto map = read_pagemap(directory, name);
  if (!map.ok()) std::abort();
  uint64_t present = 0;
  for (const PagemapEntry& entry : map.value().entries) {
    if ((entry.flags & kPresent) != 0) present += entry.pages;
  }
  struct stat status {};
  const std::string pages = pages_name(map.value().pages_id);
  if (::fstatat(directory, pages.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) std::abort();
  if (static_cast<uint64_t>(status.st_size) != present * kPageSize || present > kPages) std::abort();
}

void check_images(const UniqueFd& directory) {
  DIR* listing = ::fdopendir(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (const dirent* entry = ::readdir(listing)) {
    if (std::string_view(entry->d_name).starts_with("pagemap-")) check_image(directory.get(), entry->d_name);
  }
  ::closedir(listing);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1 || size > 200'000) return 0;
  const size_t streams = 1 + bytes[0] % kMostStreams;
  const bool has_parent = (bytes[0] & 8) != 0;
  const auto extent = (bytes[0] & 16) != 0 ? Intake::Extent::lacking : Intake::Extent::whole;
  const size_t share = (size - 1) / streams;
  transfer::IntakeOptions options;
  options.max_bytes = kPages * kPageSize;
  for (size_t i = 0; i < streams; ++i) {
    SocketPair pair = stream_pair(size_t{1} << 20).value();
    (void)::send(pair.second.get(), bytes + 1 + i * share, share, MSG_DONTWAIT | MSG_NOSIGNAL);
    options.sockets.push_back(std::move(pair.first));
  }
  const auto counters = std::make_shared<transfer::Counters>();
  const auto intake = Intake::open(std::move(options), counters).value();
  const Cancel cancel = Cancel::open().value();
  UniqueFd parent = has_parent ? make_parent() : UniqueFd();
  for (int level = 0; level < 3; ++level) {
    UniqueFd directory = open_private_tmpfs(PageBacking::small).value();
    if (!intake->receive(copy_of(directory), std::move(parent), extent, cancel).ok()) break;
    check_images(directory);
    parent = std::move(directory);
  }
  return 0;
}
