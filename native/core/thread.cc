#include "core/thread.h"

#include <csignal>
#include <utility>

namespace frazil {

Thread::Thread(Thread&& other) noexcept : handle_(other.handle_), joinable_(std::exchange(other.joinable_, false)) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  if (this != &other) {
    join();
    handle_ = other.handle_;
    joinable_ = std::exchange(other.joinable_, false);
  }
  return *this;
}

void Thread::join() noexcept {
  // pthread_join() fails only for a thread that is not joinable or is this one, and neither can be owned here.
  if (!std::exchange(joinable_, false)) return;
  (void)::pthread_join(handle_, nullptr);
}

Result<Thread> Thread::start(const char* name, void* (*entry)(void*) noexcept, void* argument) noexcept {
  Thread thread;
  // A new thread inherits the mask, so blocking before and restoring after leaves no moment in which it could be hit.
  sigset_t all;
  sigset_t before;
  (void)::sigfillset(&all);
  (void)::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failure = ::pthread_create(&thread.handle_, nullptr, entry, argument);
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure != 0) return SysError{failure, "pthread_create"};
  thread.joinable_ = true;
  // A name that is too long or not accepted is only a missing nicety in /proc.
  (void)::pthread_setname_np(thread.handle_, name);
  return thread;
}

}  // namespace frazil
