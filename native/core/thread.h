#pragma once

#include <pthread.h>

#include "core/result.h"

namespace frazil {

// A joined-by-its-owner thread. Not std::thread: that reports failure by throwing, which -fno-exceptions turns into an
// abort, and a pid limit makes failure a real case. All signals are blocked on it, so that Node's handlers stay on
// Node's threads.
class Thread {
 public:
  Thread() noexcept = default;
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { join(); }

  // Runs `body()` (noexcept, borrowed: it must outlive the thread). `name` is what /proc shows, at most 15 bytes.
  template <typename Body>
  static Result<Thread> spawn(const char* name, Body& body) noexcept {
    return start(
        name,
        [](void* raw) noexcept -> void* {
          static_assert(noexcept((*static_cast<Body*>(raw))()), "an exception cannot leave a thread");
          (*static_cast<Body*>(raw))();
          return nullptr;
        },
        &body);
  }

  // Waits for the end. Returns at once when there is nothing to join.
  void join() noexcept;
  bool joinable() const noexcept { return joinable_; }

 private:
  static Result<Thread> start(const char* name, void* (*entry)(void*) noexcept, void* argument) noexcept;

  pthread_t handle_{};
  bool joinable_ = false;
};

}  // namespace frazil
