#pragma once

// Serves the pages of a source to whoever asks by CRIU's page protocol: `criu lazy-pages --page-server`, and PeerSource. The counterpart of
// `criu page-server --lazy-pages`; one connection, one thread.
//
// The peer is trusted in nothing: it gets pages that the images call lazy, in answers of 4 MiB at most.

#include <atomic>
#include <map>
#include <optional>

#include "core/cancel.h"
#include "page/source.h"

namespace frazil::page {

enum class FeedFault : uint8_t {
  system,
  cancelled,
  hung_up,      // before it had closed
  bad_request,  // impossible, or nothing that is answered here
  not_there,    // a page that is not lazy in the images
  source,       // it cannot be read: error
};

struct FeedFailure {
  FeedFault fault;
  SysError error{0, ""};
  ImageId image{ImageId::Kind::task, 0};
  uint64_t vaddr = 0;
};

// Written by the thread that serves, read by anybody.
struct FeedCounters {
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> bytes{0};
};

class PageFeeder {
 public:
  PageFeeder(Source& source, FeedCounters& counters) noexcept : source_(source), counters_(counters) {}

  // Until the peer has closed and been answered. Nothing when it has; what it has and what it does without is its affair.
  std::optional<FeedFailure> serve(int socket, const Cancel& cancel) noexcept;

 private:
  class Sending;
  using Step = std::optional<FeedFailure>;  // nothing: go on

  Step read_request(Header* request) noexcept;
  Step dispatch(const Header& request) noexcept;
  Step feed(const Header& request) noexcept;
  Step find(const Header& request, Want* want) noexcept;
  Step read_exactly(std::byte* to, size_t bytes) noexcept;
  Step await_end() noexcept;
  Step answer(int32_t number) noexcept;
  FeedFailure system(SysError error) const noexcept;

  Source& source_;
  FeedCounters& counters_;
  int socket_ = -1;
  const Cancel* cancel_ = nullptr;
  HeaderForm form_ = HeaderForm::unknown;
  bool closed_ = false;
  std::map<uint64_t, std::vector<PagemapEntry>> runs_;
};

}  // namespace frazil::page
