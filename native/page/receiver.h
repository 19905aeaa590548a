#pragma once

// The server's end of CRIU's page socket (criu/page-xfer.c, page_server_serve()): reads messages, moves payload on, answers. One
// connection, one thread; see CopyPool for the others.
//
// The rule that everything here serves: with splice the bytes we hold *are* the tasks' pages until they have been copied. So CLOSE
// is answered only when the pool has drained; CRIU lets the tree run on that answer.

#include <deque>
#include <optional>
#include <set>

#include "core/cancel.h"
#include "page/copy_pool.h"
#include "page/counters.h"
#include "page/parent_chain.h"
#include "page/store.h"

namespace frazil::page {

// What ended a reception before its time. `system` carries the call; the others are the peer's doing and say where.
enum class Fault : uint8_t {
  system,
  cancelled,
  hung_up,     // EOF before CLOSE was answered: CRIU died or gave up
  bad_header,  // an impossible address, count or flag; an image opened for a second time
  unknown_command,
  unknown_image,        // a type byte that no CRIU uses
  no_image,             // a run before any OPEN
  not_sorted,           // a run before the end of the last
  hole_without_parent,  // PARENT in an image whose parent we said is not there
  hole_not_in_parent,   // the parent has no such page: its chain is broken
  bad_parent,           // the parent's pagemap cannot be read
};

struct Failure {
  Fault fault;
  SysError error{0, ""};
  ImageId image{ImageId::Kind::task, 0};
  uint64_t vaddr = 0;
  uint64_t pages = 0;
};

struct ReceiverOptions {
  unsigned workers = 2;
  uint32_t first_pages_id = 1;
};

class Receiver {
 public:
  Receiver(Store& store, ParentChain parents, const ReceiverOptions& options, Counters& counters) noexcept
      : store_(store), parents_(std::move(parents)), options_(options), counters_(counters) {}

  // Serves `socket` until CLOSE has been answered. On failure the socket is shut down, which makes CRIU fail and resume the tree.
  std::optional<Failure> serve(int socket, const Cancel& cancel) noexcept;

  // Frees, in all ancestors, the pages that were received. Not part of serve(): a dump that fails later must leave its ancestors
  // whole, as they are still what can be restored.
  Result<void> dedup() noexcept;

  // Writes every pagemap. After serve(), and after the store has settled, so that no pagemap promises pages that are not there.
  Result<void> write_pagemaps(int directory) const noexcept;

  HeaderForm form() const noexcept { return form_; }

 private:
  using Step = std::optional<Failure>;  // nothing: go on

  Step loop() noexcept;
  Step read_header(Header* header) noexcept;
  Step dispatch(const Header& header) noexcept;
  Step open_image(const Header& header, bool answered) noexcept;
  Step ask_parent(const Header& header) noexcept;
  Step add_run(const Header& header) noexcept;
  Step check_hole(const PagemapEntry& run) noexcept;
  Step take_payload(const PagemapEntry& run) noexcept;
  Step fill(CopyPool::Load& load, uint64_t bytes) noexcept;
  Step complete_page(CopyPool::Load& load) noexcept;
  Step begin_image(const ImageId& id, const Header& header) noexcept;
  Step finish() noexcept;
  Step read_exactly(void* to, size_t bytes) noexcept;
  Failure broken(SysError error) const noexcept;
  template <typename T>
  Step answer(T value) noexcept;
  Failure at(Fault fault, const Header& header) const noexcept;
  Failure system(SysError error) const noexcept;

  Store& store_;
  ParentChain parents_;
  ReceiverOptions options_;
  Counters& counters_;
  std::deque<Image> images_;  // addresses stay
  std::set<std::pair<ImageId::Kind, uint64_t>> opened_;
  Image* current_ = nullptr;
  HeaderForm form_ = HeaderForm::unknown;
  std::unique_ptr<CopyPool> pool_;
  int socket_ = -1;
  const Cancel* cancel_ = nullptr;
  bool closed_ = false;
};

}  // namespace frazil::page
