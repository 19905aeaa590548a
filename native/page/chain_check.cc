#include "page/chain_check.h"

#include <fcntl.h>

#include "page/parent_chain.h"

namespace frazil::page {
namespace {

ImageFault failed(SysError error, const std::string& name) {
  return {.flaw = Flaw::system, .error = error, .name = name};
}

// The name as ParentChain wants it. Names come from TypeScript, which took them from the directory by their pattern.
std::optional<ImageId> to_id(const std::string& name) {
  for (const auto kind : {ImageId::Kind::shmem, ImageId::Kind::task}) {
    const std::string prefix = kind == ImageId::Kind::shmem ? "pagemap-shmem-" : "pagemap-";
    if (!name.starts_with(prefix)) continue;
    const ImageId id{kind, std::strtoull(name.c_str() + prefix.size(), nullptr, 10)};
    if (pagemap_name(id) == name) return id;
  }
  return {};
}

std::optional<ImageFault> dedup_image(int directory, const std::string& name, ParentChain& parents,
                                      ChainCounters& counters, const Cancel& cancel) {
  const auto id = to_id(name);
  if (!id) return failed({EINVAL, "openat"}, name);
  if (auto selected = parents.select(*id, true); !selected.ok()) return failed(selected.error(), name);
  const auto map = read_pagemap(directory, name);
  if (!map.ok()) return failed(map.error(), name);
  for (const PagemapEntry& entry : map.value().entries) {
    if (cancel.cancelled()) return failed({ECANCELED, "fallocate"}, name);
    // As criu/cr-dedup.c: whatever this level does not leave to its parent.
    if ((entry.flags & kParent) != 0) continue;
    const auto punched = parents.punch(entry);
    if (!punched.ok()) return failed(punched.error(), name);
    counters.deduplicated_pages.fetch_add(punched.value(), std::memory_order_relaxed);
  }
  return {};
}

}  // namespace

std::vector<ImageFault> verify_chain(const std::vector<UniqueFd>& levels, const std::vector<std::string>& names,
                                     size_t limit, ChainCounters& counters, const Cancel& cancel) noexcept {
  std::vector<ImageFault> faults;
  for (const std::string& name : names) {
    if (cancel.cancelled()) return {failed({ECANCELED, "read"}, name)};
    const auto image = StoredImage::open(levels, name, limit, &faults);
    counters.images.fetch_add(1, std::memory_order_relaxed);
    if (!image) continue;
    counters.runs.fetch_add(image->runs().size(), std::memory_order_relaxed);
    counters.pages.fetch_add(image->pages(), std::memory_order_relaxed);
    counters.parent_pages.fetch_add(image->parent_pages(), std::memory_order_relaxed);
  }
  return faults;
}

std::optional<ImageFault> dedup_chain(std::vector<UniqueFd> levels, const std::vector<std::string>& names,
                                      ChainCounters& counters, const Cancel& cancel) noexcept {
  auto faults = verify_chain(levels, names, 1, counters, cancel);
  if (!faults.empty()) return faults.front();
  if (levels.size() < 2) return {};
  auto parents = ParentChain::open(std::move(levels[1]));
  if (!parents.ok()) return failed(parents.error(), "parent");
  ParentChain chain = std::move(parents).value();
  for (const std::string& name : names) {
    if (auto fault = dedup_image(levels[0].get(), name, chain, counters, cancel)) return fault;
  }
  return {};
}

}  // namespace frazil::page
