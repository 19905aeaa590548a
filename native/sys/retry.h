#pragma once

#include <cerrno>

namespace frazil {

// Repeats a system call that a signal interrupted. All our threads block signals; the calls on Node's thread do not.
template <typename Call>
auto retry_eintr(Call call) noexcept {
  decltype(call()) answer;
  do {
    answer = call();
  } while (answer == -1 && errno == EINTR);
  return answer;
}

}  // namespace frazil
