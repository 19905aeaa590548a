#pragma once

#include <string>
#include <vector>

namespace frazil {

// What the exec family takes: char* for historical reasons, and it does not write. Valid while `strings` is unchanged.
inline std::vector<char*> c_strings(const std::vector<std::string>& strings) noexcept {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& one : strings) pointers.push_back(const_cast<char*>(one.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace frazil
