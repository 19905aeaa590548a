#pragma once

#include <memory>

#include "page/receiver.h"

namespace frazil::page {

enum class StoreKind : uint8_t { directory, memory };

struct SinkOptions {
  StoreKind store = StoreKind::directory;
  ReceiverOptions receiver;
};

// All that takes one dump's pages in: prepare, serve one connection, settle, dedup. Each step at most once, in this order, each on
// whatever thread; they never overlap. The counters may be read at any time.
class Sink {
 public:
  // `parent` may be empty. EINVAL for a number of workers that nobody could use. The directory gets pages-N.img and pagemap-*.img and nothing else.
  static Result<std::unique_ptr<Sink>> open(UniqueFd directory, UniqueFd parent, const SinkOptions& options,
                                            std::shared_ptr<Counters> counters) noexcept;
  // The same over a store that is not one of those two. The directory gets pagemap-*.img.
  static Result<std::unique_ptr<Sink>> over(std::unique_ptr<Store> store, UniqueFd directory, UniqueFd parent,
                                            const ReceiverOptions& options,
                                            std::shared_ptr<Counters> counters) noexcept;

  Result<void> prepare(uint64_t expected_bytes, const Cancel& cancel) noexcept {
    return store_->prepare(expected_bytes, cancel);
  }
  std::optional<Failure> serve(int socket, const Cancel& cancel) noexcept { return receiver_.serve(socket, cancel); }
  // After a serve() that ended well: pages in the directory, zero pages found, pagemaps written.
  Result<void> settle(const Cancel& cancel) noexcept;
  // Frees in the parents what this dump replaces: for when nothing can fail any more that would make the parents the last resort.
  Result<void> dedup() noexcept { return receiver_.dedup(); }
  HeaderForm form() const noexcept { return receiver_.form(); }

 private:
  Sink(UniqueFd directory, std::unique_ptr<Store> store, ParentChain parents, const ReceiverOptions& options,
       std::shared_ptr<Counters> counters) noexcept;

  UniqueFd directory_;
  std::shared_ptr<Counters> counters_;
  std::unique_ptr<Store> store_;
  Receiver receiver_;
};

}  // namespace frazil::page
