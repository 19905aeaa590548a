#include "test/chain_model.h"

#include <fcntl.h>

#include "page/image_file.h"
#include "page/levels.h"
#include "sys/full_io.h"

namespace frazil::page {
namespace {

constexpr uint64_t kPages = 200;

void write_image(int directory, const ModelLevel& level, const ImageId& id, uint32_t pages_id) {
  PagemapWriter map(pages_id);
  const UniqueFd pages = create_image_file(directory, pages_name(pages_id), O_WRONLY).value();
  std::map<uint64_t, uint32_t> all = level.others;
  for (const auto& [page, bytes] : level.stored) all[page] = kPresent;
  for (const auto& [page, flags] : all) {
    if (!map.append({page * kPageSize, 1, flags})) std::abort();
    if (flags != kPresent) continue;
    const Bytes& bytes = level.stored.at(page);
    if (!write_full(pages.get(), bytes.data(), bytes.size()).ok()) std::abort();
  }
  if (!map.write(directory, id).ok()) std::abort();
}

}  // namespace

void ModelChain::add(const ModelLevel& level, const ImageId& id, uint32_t pages_id) {
  const UniqueFd directory = temp_.folder(prefix_ + std::to_string(depth_));
  if (depth_ > 0) {
    const std::string below = "../" + prefix_ + std::to_string(depth_ - 1);
    if (::symlinkat(below.c_str(), directory.get(), "parent") != 0) std::abort();
  }
  write_image(directory.get(), level, id, pages_id);
  ++depth_;
}

void ModelChain::add_image(const ModelLevel& level, const ImageId& id, uint32_t pages_id) {
  write_image(top().get(), level, id, pages_id);
}

std::vector<UniqueFd> ModelChain::levels() const { return open_levels(top()).value(); }

Bytes random_page(std::mt19937& random) {
  // Zero pages and pages that repeat are what real memory is full of.
  if (random() % 5 == 0) return Bytes(kPageSize);
  Bytes page(kPageSize, static_cast<std::byte>(random() % 3));
  for (size_t i = 0; i < page.size(); i += 1 + random() % 64) page[i] = static_cast<std::byte>(random() % 4);
  return page;
}

RandomChain random_chain(const TempDir& temp, std::mt19937& random, std::string prefix) {
  RandomChain out{ModelChain(temp, std::move(prefix)), {}, 0};
  const size_t depth = 1 + random() % 4;
  std::map<uint64_t, size_t> owner;
  for (size_t d = 0; d < depth; ++d) {
    ModelLevel level;
    std::map<uint64_t, Bytes> memory;
    for (uint64_t page = 0; page < kPages; ++page) {
      const bool known = out.memory.contains(page);
      const auto choice = random() % 8;
      if (choice == 0) continue;  // unmapped, or never touched
      if (choice == 1) {
        level.others[page] = kLazy;
      } else if (known && choice < 6) {
        level.others[page] = kParent;
        memory[page] = out.memory.at(page);
      } else {
        memory[page] = level.stored[page] = random_page(random);
        owner[page] = d;
      }
    }
    out.chain.add(level);
    out.memory = std::move(memory);
  }
  for (const auto& [page, bytes] : out.memory) out.parent_pages += owner.at(page) + 1 < depth ? 1 : 0;
  return out;
}

}  // namespace frazil::page
