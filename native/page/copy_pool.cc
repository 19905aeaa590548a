#include "page/copy_pool.h"

#include <fcntl.h>
#include <time.h>

namespace frazil::page {
namespace {

// As large as an unprivileged F_SETPIPE_SZ gives. Sixteen of them hold the two chunks (8 MiB each) that CRIU has under way.
constexpr size_t kPipeBytes = size_t{1} << 20;
constexpr size_t kPipes = 16;
constexpr unsigned kMaxWorkers = 64;

uint64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  (void)::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

bool CopyPool::allows(unsigned workers) noexcept { return workers > 0 && workers <= kMaxWorkers; }

Result<std::unique_ptr<CopyPool>> CopyPool::start(Store& store, unsigned workers, Counters& counters) noexcept {
  std::unique_ptr<CopyPool> pool(new (std::nothrow) CopyPool(store, counters));
  if (!pool) return SysError{ENOMEM, "malloc"};
  if (auto opened = pool->open(workers); !opened.ok()) return opened.error();
  return pool;
}

Result<void> CopyPool::open(unsigned workers) noexcept {
  loads_.reserve(kPipes);
  for (size_t i = 0; i < kPipes; ++i) {
    auto pipe = open_pipe(kPipeBytes);
    if (!pipe.ok()) return pipe.error();
    const int capacity = ::fcntl(pipe.value().write.get(), F_GETPIPE_SZ);
    if (capacity <= 0) return SysError{errno, "fcntl"};
    Load& load = loads_.emplace_back();
    load.pipe = std::move(pipe).value();
    load.capacity = static_cast<size_t>(capacity);
    free_.push_back(&loads_.back());
  }
  workers_.reserve(workers);  // the threads hold pointers to the elements
  for (unsigned i = 0; i < workers; ++i) {
    workers_.push_back({this, i, {}});
    auto thread = Thread::spawn("frazil-copy", workers_.back());
    if (!thread.ok()) return thread.error();
    workers_.back().thread = std::move(thread).value();
  }
  return {};
}

CopyPool::~CopyPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  filled_.notify_all();
  for (Worker& worker : workers_) worker.thread.join();
}

Result<void> CopyPool::state() const noexcept {
  if (failure_) return *failure_;
  return {};
}

Result<CopyPool::Load*> CopyPool::acquire() noexcept {
  std::unique_lock lock(mutex_);
  if (free_.empty()) {
    const uint64_t from = clock_ns(CLOCK_MONOTONIC);
    freed_.wait(lock, [&] { return !free_.empty(); });
    counters_.add(&Counters::stall_ns, clock_ns(CLOCK_MONOTONIC) - from);
  }
  if (failure_) return *failure_;
  Load* load = free_.front();
  free_.pop_front();
  load->piped = 0;
  load->copied = 0;
  return load;
}

void CopyPool::submit(Load* load) noexcept {
  {
    const std::lock_guard lock(mutex_);
    full_.push_back(load);
  }
  filled_.notify_one();
}

Result<void> CopyPool::drain() noexcept {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return free_.size() == loads_.size(); });
  return state();
}

CopyPool::Load* CopyPool::next() noexcept {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [&] { return stopping_ || !full_.empty(); });
  if (stopping_) return nullptr;
  Load* load = full_.front();
  full_.pop_front();
  return load;
}

void CopyPool::finish(Load* load, const Result<void>& outcome) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!outcome.ok() && !failure_) failure_ = outcome.error();
    free_.push_back(load);
  }
  freed_.notify_all();
}

void CopyPool::work(unsigned index) noexcept {
  while (Load* load = next()) {
    const Payload payload{load->pipe.read.get(), load->piped, {load->rest.data(), load->copied}, load->offset,
                          load->vaddr};
    finish(load, payload.bytes() == 0 ? Result<void>{} : store_.put(index, payload, *load->image));
  }
  counters_.add(&Counters::cpu_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID));
}

}  // namespace frazil::page
