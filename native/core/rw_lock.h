#pragma once

#include <pthread.h>

namespace frazil {

// Many readers or one writer; a writer that waits goes before new readers. Not std::shared_mutex: there glibc lets readers in for
// ever, and our writers are the ones that a stopped task waits for. Named as std::shared_lock and std::unique_lock want it.
class RwLock {
 public:
  RwLock() noexcept {
    pthread_rwlockattr_t attributes;
    (void)::pthread_rwlockattr_init(&attributes);
    (void)::pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)::pthread_rwlock_init(&lock_, &attributes);
    (void)::pthread_rwlockattr_destroy(&attributes);
  }
  ~RwLock() { (void)::pthread_rwlock_destroy(&lock_); }
  RwLock(const RwLock&) = delete;
  RwLock& operator=(const RwLock&) = delete;

  // They fail only for a lock that this thread holds already, or after 2^32 readers: bugs.
  void lock() noexcept { (void)::pthread_rwlock_wrlock(&lock_); }
  void unlock() noexcept { (void)::pthread_rwlock_unlock(&lock_); }
  void lock_shared() noexcept { (void)::pthread_rwlock_rdlock(&lock_); }
  void unlock_shared() noexcept { (void)::pthread_rwlock_unlock(&lock_); }

 private:
  pthread_rwlock_t lock_;
};

}  // namespace frazil
