#include "page/sink.h"

#include "page/directory_store.h"
#include "page/memory_store.h"
#include "sys/thread_cpu.h"

namespace frazil::page {

Result<std::unique_ptr<Sink>> Sink::open(UniqueFd directory, UniqueFd parent, const SinkOptions& options,
                                         std::shared_ptr<Counters> counters) noexcept {
  if (!CopyPool::allows(options.receiver.workers)) return SysError{EINVAL, "pthread_create"};
  std::unique_ptr<Store> store;
  if (options.store == StoreKind::memory) {
    store = std::make_unique<MemoryStore>(directory.get(), options.receiver.workers, *counters);
  } else {
    store = std::make_unique<DirectoryStore>(directory.get(), options.receiver.workers, *counters);
  }
  return over(std::move(store), std::move(directory), std::move(parent), options.receiver, std::move(counters));
}

Result<std::unique_ptr<Sink>> Sink::over(std::unique_ptr<Store> store, UniqueFd directory, UniqueFd parent,
                                         const ReceiverOptions& options, std::shared_ptr<Counters> counters) noexcept {
  if (!CopyPool::allows(options.workers)) return SysError{EINVAL, "pthread_create"};
  ParentChain parents;
  if (parent) {
    auto chain = ParentChain::open(std::move(parent));
    if (!chain.ok()) return chain.error();
    parents = std::move(chain).value();
  }
  return std::unique_ptr<Sink>(
      new Sink(std::move(directory), std::move(store), std::move(parents), options, std::move(counters)));
}

Sink::Sink(UniqueFd directory, std::unique_ptr<Store> store, ParentChain parents, const ReceiverOptions& options,
           std::shared_ptr<Counters> counters) noexcept
    : directory_(std::move(directory)),
      counters_(std::move(counters)),
      store_(std::move(store)),
      receiver_(*store_, std::move(parents), options, *counters_) {}

Result<void> Sink::settle(const Cancel& cancel) noexcept {
  const uint64_t from = thread_cpu_ns();
  const Result<void> settled = store_->settle(cancel);
  counters_->add(&Counters::cpu_ns, thread_cpu_ns() - from);
  if (!settled.ok()) return settled;
  return receiver_.write_pagemaps(directory_.get());
}

}  // namespace frazil::page
