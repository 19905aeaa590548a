#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"

namespace frazil::page {

// What is wrong with an image, or kept us from reading it. TypeScript makes the sentence.
enum class Flaw : uint8_t {
  system,         // a system call failed: `error`
  not_a_pagemap,  // no or another magic
  truncated,      // ends inside a message: `offset`
  malformed,      // a message that is no pagemap entry: `offset`
  newer,          // a field that we do not know changes what the others mean (compressed pages): `offset`
  not_sorted,     // begins before the end of the entry in front of it, or at no page: `vaddr`
  pages_missing,  // no pages file
  pages_short,    // `wanted` bytes were promised, the file has `found`
  hole_unfilled,  // `pages` pages from `vaddr` on are to be in the parent, and no parent has them
};

struct ImageFault {
  Flaw flaw;
  SysError error{0, ""};
  uint32_t level = 0;  // 0 is the images directory itself, 1 its parent
  std::string name{};  // the file in that directory
  uint64_t offset = 0;
  uint64_t vaddr = 0;
  uint64_t pages = 0;
  uint64_t wanted = 0;
  uint64_t found = 0;
};

}  // namespace frazil::page
