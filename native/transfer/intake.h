#pragma once

// The destination's end of a migration's page streams: writes the pages of a level into its images directory as they come, at their
// final place, and its pagemaps when every stream has passed its barrier. The peer is not trusted: what it says is bounded, and it
// names images by number, never files.

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/thread.h"
#include "page/parent_chain.h"
#include "transfer/bases.h"
#include "transfer/counters.h"
#include "transfer/packing.h"
#include "transfer/stream.h"

namespace frazil::transfer {

struct IntakeOptions {
  std::vector<UniqueFd> sockets;
  std::vector<StreamKey> keys;  // one for each socket, or none at all
  uint64_t max_bytes = 0;       // of pages, over all levels
};

class Intake {
 public:
  // EINVAL without a socket, or with another number of keys.
  static Result<std::unique_ptr<Intake>> open(IntakeOptions options, std::shared_ptr<Counters> counters) noexcept;

  // All pages of a level come, or those that may come lazily are left behind.
  enum class Extent : uint8_t { whole, lacking };

  // Takes the next level in. `parent` may be empty. Afterwards frees, in all levels below, the pages that this one replaces: they
  // cannot be restored by themselves any more. EPROTO for what the protocol does not allow, EBADMSG for a frame that is not
  // authentic, EFBIG beyond max_bytes.
  Result<void> receive(UniqueFd directory, UniqueFd parent, Extent extent, const Cancel& cancel) noexcept;

 private:
  struct Image {
    explicit Image(uint32_t pages_id) noexcept : map(pages_id) {}
    std::shared_ptr<UniqueFd> pages;
    page::PagemapWriter map;
    uint64_t received = 0;  // pages
    bool mapped = false;
  };
  struct Reader {
    Intake* intake;
    IncomingStream* stream;
    const Cancel* cancel;
    Result<void> outcome;
    Thread thread;
    void operator()() noexcept;
  };

  Intake(std::vector<IncomingStream> streams, uint64_t max_bytes, std::shared_ptr<Counters> counters) noexcept
      : streams_(std::move(streams)), max_pages_(max_bytes / page::kPageSize), counters_(std::move(counters)) {}

  Result<void> read_all(const Cancel& cancel) noexcept;
  Result<void> read_stream(IncomingStream& stream, const Cancel& cancel) noexcept;
  Result<void> take(const FrameHead& head, std::span<const std::byte> body, Unpacker& unpacker) noexcept;
  Result<void> take_patched(const FrameHead& head, std::span<const std::byte> body, Unpacker& unpacker) noexcept;
  Result<void> take_pages(const FrameHead& head, std::span<const std::byte> body) noexcept;
  Result<void> take_map(const FrameHead& head, std::span<const std::byte> body) noexcept;
  Result<Image*> image_for(uint64_t key) noexcept;                      // mutex held
  Result<std::shared_ptr<UniqueFd>> open_pages(Image& image) noexcept;  // mutex held
  Result<void> write_images(page::ParentChain& parents) noexcept;
  bool is_complete(const Image& image) const noexcept;
  Result<void> check_image(const page::ImageId& id, const Image& image, page::ParentChain& parents) noexcept;
  Result<void> free_replaced(page::ParentChain& parents) noexcept;

  std::vector<IncomingStream> streams_;
  uint64_t max_pages_;
  std::shared_ptr<Counters> counters_;
  Bases bases_;
  uint32_t level_ = 0;  // as many are in bases_
  Extent extent_ = Extent::whole;
  std::mutex mutex_;
  UniqueFd directory_;
  std::map<uint64_t, Image> images_;
  size_t open_files_ = 0;
  uint64_t pages_ = 0;  // over all levels
};

}  // namespace frazil::transfer
