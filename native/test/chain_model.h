#pragma once

// Chains of images directories of which every page is known: what the tests of search, diff, squash and verification compare with.

#include <map>
#include <random>
#include <string>
#include <vector>

#include "page/pagemap.h"
#include "test/page_client.h"

namespace frazil::page {

// One level as it is written: a page is here, is to be in the parent, or is lazy (no bytes anywhere). Pages that are not named are
// not in the pagemap.
struct ModelLevel {
  std::map<uint64_t, Bytes> stored;     // by page number
  std::map<uint64_t, uint32_t> others;  // flags without PRESENT
};

class ModelChain {
 public:
  explicit ModelChain(const TempDir& temp, std::string prefix = "l") : temp_(temp), prefix_(std::move(prefix)) {}

  // Writes `level` on top of what is there, with this image name and pages id.
  void add(const ModelLevel& level, const ImageId& id = {ImageId::Kind::task, 1}, uint32_t pages_id = 1);
  // Only a newest level: another image in the directory that add() made last.
  void add_image(const ModelLevel& level, const ImageId& id, uint32_t pages_id);

  size_t depth() const noexcept { return depth_; }
  UniqueFd top() const { return temp_.folder(prefix_ + std::to_string(depth_ - 1)); }
  UniqueFd level(size_t below) const { return temp_.folder(prefix_ + std::to_string(depth_ - 1 - below)); }
  std::vector<UniqueFd> levels() const;

 private:
  const TempDir& temp_;
  std::string prefix_;
  size_t depth_ = 0;
};

// A random chain of the first task, and what its memory is: the pages with bytes.
struct RandomChain {
  ModelChain chain;
  std::map<uint64_t, Bytes> memory;
  uint64_t parent_pages = 0;
};
RandomChain random_chain(const TempDir& temp, std::mt19937& random, std::string prefix = "l");

Bytes random_page(std::mt19937& random);

}  // namespace frazil::page
