// libFuzzer target: a chain of two levels whose pagemaps are any bytes, through verification, search, comparison and squash. The first
// two bytes say how long the upper pagemap is; the lower one is the rest.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "page/chain_check.h"
#include "page/image_file.h"
#include "page/memory_search.h"
#include "page/page_diff.h"
#include "page/squash.h"
#include "sys/full_io.h"
#include "sys/private_tmpfs.h"

namespace {

using namespace frazil;
using namespace frazil::page;

const std::string kName = "pagemap-1.img";
// More than that is promised only by pagemaps that the pages file then is too short for.
constexpr off_t kPagesBytes = 256 * kPageSize;

struct Place {
  std::vector<UniqueFd> levels;
  UniqueFd squashed = open_private_tmpfs(PageBacking::small).value();
};

Place make_place() {
  Place place;
  for (int i = 0; i < 2; ++i) {
    place.levels.push_back(open_private_tmpfs(PageBacking::small).value());
    const UniqueFd pages = create_image_file(place.levels[i].get(), "pages-1.img", O_RDWR).value();
    if (::ftruncate(pages.get(), kPagesBytes) != 0 || !pwrite_full(pages.get(), "needle", 6, 4093).ok()) std::abort();
  }
  return place;
}

void put(int directory, const uint8_t* bytes, size_t size) {
  const UniqueFd file = create_image_file(directory, kName, O_WRONLY).value();
  if (!write_full(file.get(), bytes, size).ok()) std::abort();
}

void look(const Place& place, const Cancel& cancel) {
  std::vector<ImageFault> faults;
  const auto image = StoredImage::open(place.levels, kName, 4, &faults);
  if (image.has_value() != faults.empty()) std::abort();
  if (!image) return;
  uint64_t end = 0;
  for (const StoredRun& run : image->runs()) {
    if (run.vaddr < end || run.pages == 0 || (run.flags & kParent) != 0) std::abort();
    end = run.end();
  }
  SearchCounters searched;
  const auto found = search_memory(place.levels, {kName}, {BytePattern("needle")}, {16, 8, 1}, searched, cancel);
  if (found.fault || searched.bytes > searched.total) std::abort();
  DiffCounters compared;
  ImageDiff diff;
  if (diff_images(&*image, &*image, compared, cancel, &diff) || compared.bytes_read != 0) std::abort();
  SquashCounters squashed;
  if (squash_images(place.levels, {kName}, place.squashed.get(), squashed, cancel)) std::abort();
  if (squashed.pages != image->pages()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const Place place = make_place();
  static const Cancel cancel = Cancel::open().value();
  if (size < 2) return 0;
  const size_t upper = std::min<size_t>(size - 2, bytes[0] | bytes[1] << 8);
  put(place.levels[0].get(), bytes + 2, upper);
  put(place.levels[1].get(), bytes + 2 + upper, size - 2 - upper);
  ChainCounters counters;
  (void)verify_chain(place.levels, {kName}, 4, counters, cancel);
  look(place, cancel);
  return 0;
}
