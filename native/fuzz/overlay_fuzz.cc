// libFuzzer target: a level of patches above a checkpoint. Whatever patches are asked for, the level is refused with an address, or what is
// read through it afterwards is the checkpoint with those bytes. Each patch: two bytes of address, one of length, then its bytes.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "page/image_file.h"
#include "page/overlay.h"
#include "page/pagemap.h"
#include "sys/full_io.h"
#include "sys/private_tmpfs.h"

namespace {

using namespace frazil;
using namespace frazil::page;

const std::string kName = "pagemap-1.img";
// Pages 16 to 23 and 26 to 27: a gap in between, and nothing behind.
constexpr uint64_t kFirst = 16 * kPageSize;
constexpr uint64_t kSecond = 26 * kPageSize;
constexpr size_t kFirstBytes = 8 * kPageSize;
constexpr size_t kSecondBytes = 2 * kPageSize;

std::string content() {
  std::string bytes(kFirstBytes + kSecondBytes, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  return bytes;
}

UniqueFd make_checkpoint() {
  UniqueFd directory = open_private_tmpfs(PageBacking::small).value();
  PagemapWriter map(1);
  if (!map.append({kFirst, 8, kPresent}) || !map.append({kSecond, 2, kPresent})) std::abort();
  if (!map.write(directory.get(), {ImageId::Kind::task, 1}).ok()) std::abort();
  const UniqueFd pages = create_image_file(directory.get(), "pages-1.img", O_RDWR).value();
  const std::string bytes = content();
  if (!pwrite_full(pages.get(), bytes.data(), bytes.size(), 0).ok()) std::abort();
  return directory;
}

std::vector<Patch> patches_of(const uint8_t* data, size_t size) {
  std::vector<Patch> patches;
  uint64_t end = kFirst - 64;
  while (size >= 3) {
    const uint64_t vaddr = end + (uint64_t{data[0]} << 8 | data[1]);
    const size_t bytes = std::min<size_t>(data[2], size - 3);
    patches.push_back({vaddr, std::string(reinterpret_cast<const char*>(data) + 3, bytes)});
    end = vaddr + bytes;
    data += 3 + bytes;
    size -= 3 + bytes;
  }
  return patches;
}

void expect_patched(std::vector<UniqueFd> levels, const std::vector<Patch>& patches) {
  std::string wanted = content();
  for (const Patch& patch : patches) {
    if (patch.bytes.empty()) continue;
    const size_t at = patch.vaddr >= kSecond ? kFirstBytes + patch.vaddr - kSecond : patch.vaddr - kFirst;
    wanted.replace(at, patch.bytes.size(), patch.bytes);
  }
  std::vector<ImageFault> faults;
  const auto image = StoredImage::open(levels, kName, 2, &faults);
  if (!image) std::abort();
  std::string first(kFirstBytes, '\0');
  std::string second(kSecondBytes, '\0');
  if (read_memory(*image, kFirst, &first) || read_memory(*image, kSecond, &second)) std::abort();
  if (first + second != wanted) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const UniqueFd checkpoint = make_checkpoint();
  std::vector<UniqueFd> below;
  below.emplace_back(::fcntl(checkpoint.get(), F_DUPFD_CLOEXEC, 0));
  const auto patches = patches_of(data, size);
  UniqueFd level = open_private_tmpfs(PageBacking::small).value();
  const auto fault = overlay_images(below, {{kName, patches}}, level.get());
  if (fault) {
    if (fault->flaw != Flaw::system || fault->error.number != EFAULT) std::abort();
    return 0;
  }
  std::vector<UniqueFd> levels;
  levels.push_back(std::move(level));
  levels.push_back(std::move(below.front()));
  expect_patched(std::move(levels), patches);
  return 0;
}
