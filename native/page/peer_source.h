#pragma once

// The pages of a dump that has left them behind, or of a page server: asked for over CRIU's page protocol (GET), from `criu dump --lazy-pages`,
// `criu page-server --lazy-pages` and PageFeeder.
//
// CRIU takes one connection and answers in order, so the lane for faults is not a second connection: a fault is asked for at once, whatever
// else is on its way, and of the rest no more is on its way than keeps the connection busy (Window). The answer is trusted in nothing: it
// must be about what was asked first, and not longer.
//
// Until finish() every end of ours, a SIGKILL too, is a reset and not an orderly end: CRIU takes an orderly end for success and kills the
// tree that the pages are of (criu/page-xfer.c, page_server_serve()).

#include <array>
#include <condition_variable>
#include <mutex>

#include "core/cancel.h"
#include "core/thread.h"
#include "core/unique_fd.h"
#include "page/asked.h"
#include "page/page_buffers.h"
#include "page/peer_form.h"
#include "page/source.h"

namespace frazil::page {

class PeerSource final : public Source {
 public:
  // Of a connected stream socket and the images, whose pagemaps say what may be asked for. Errors as meet().
  static Result<std::unique_ptr<PeerSource>> open(UniqueFd socket, UniqueFd directory) noexcept;
  ~PeerSource();

  // Of whoever's pagemap: what is lazy lies at the peer, whether the images have it or not.
  Result<std::vector<PagemapEntry>> lazy_runs(const ImageId& image) noexcept override;
  // Background: waits while enough is on its way. ECONNRESET and so on when the peer is lost.
  std::optional<SourceFailure> fetch(const Want& want, Taker& taker) noexcept override;
  bool remote() const noexcept override { return true; }
  Result<void> begin(Taker& taker, const Cancel& stop) noexcept override;
  // Leaves nothing unread, and waits a moment for the peer's word that it has heard.
  Result<void> finish() noexcept override;

  // The body of the thread that reads.
  void operator()() noexcept;

 private:
  PeerSource(UniqueFd socket, UniqueFd directory, Acquaintance peer) noexcept;

  Result<void> ask(const Want& want) noexcept;
  bool may_ask(const Want& want) const noexcept;
  Result<void> read_what_came() noexcept;
  Result<size_t> receive(std::byte* to, size_t bytes) noexcept;
  Result<bool> take_head() noexcept;
  Result<void> accept_head(const Header& head) noexcept;
  Result<bool> take_pages() noexcept;
  Result<void> deliver(uint64_t pages) noexcept;
  Result<void> drain() noexcept;
  void lose(SysError error) noexcept;

  UniqueFd socket_;
  UniqueFd directory_;
  const HeaderForm form_;
  Taker* taker_ = nullptr;
  const Cancel* stop_ = nullptr;

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  Asked asked_;
  Window window_;
  std::optional<SysError> lost_;
  bool over_ = false;

  // Of the thread that reads alone.
  bool discarding_ = false;
  std::array<std::byte, kWideBytes> head_{};
  size_t head_bytes_ = 0;
  uint64_t body_bytes_ = 0;  // of the answer, not read yet
  size_t torn_bytes_ = 0;    // of a page that is not complete, in the buffer
  PageBuffers buffers_;
  std::optional<PageBuffers::Lent> buffer_;
  Thread thread_;
};

}  // namespace frazil::page
