#pragma once

// One level of a migration at the source: pages come in (from CRIU's page socket, or from reading a running task), frames go out. What
// is all zero is told of; what the destination has already, by its digest, becomes a hole that its parent level fills; the rest is
// carried. As many workers as streams: whoever is free takes the next stretch of pages and sends it on its own stream.
//
// One thing has to be done in order: the place of a page in the pages file follows from what is left out before it. So after its
// digests are known a worker waits for those of the stretch before (commit()), and only then sends.

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "page/store.h"
#include "transfer/counters.h"
#include "transfer/digest_table.h"
#include "transfer/worker.h"

namespace frazil::transfer {

using DigestTables = std::map<uint64_t, DigestTable>;  // by image_key()

// Consecutive pages of one image, at most kMaxFramePages.
struct Stretch {
  page::Image* image;
  uint64_t offset;  // of the first byte among all bytes of the image in this level, in order without gaps
  uint64_t vaddr;
  size_t pages;
  bool left = false;  // what the destination does not have of it stays here for now
};

// Who fills the pagemaps of the images: CRIU's receiver, or pass(), with what could be read.
enum class Maps : uint8_t { given, filled };

class Level final : public page::Store {
 public:
  // Everything is borrowed for the level's life. `before` is what the destination has; without digests it is not looked at.
  Level(uint32_t number, Maps maps, std::vector<Worker>& workers, const DigestTables& before,
        Counters& counters) noexcept
      : number_(number), maps_(maps), workers_(workers), before_(before), counters_(counters) {}

  // Which waits of put() and pass() end with: before the first of them.
  void follow(const Cancel& cancel) noexcept { cancel_ = &cancel; }

  Result<void> prepare(uint64_t, const Cancel&) noexcept override { return {}; }
  Result<void> open(page::Image& image) noexcept override;
  Result<void> rest() noexcept override { return {}; }
  // Reads the pages, and passes them on.
  Result<void> put(unsigned worker, const page::Payload& payload, page::Image& image) noexcept override;
  // Sends the pagemaps and the barriers. With a directory (borrowed; -1 for none) writes the pagemaps there, too.
  Result<void> settle(const Cancel& cancel) noexcept override { return finish(-1, cancel); }
  Result<void> finish(int directory, const Cancel& cancel) noexcept;

  // Sends the `read` pages in the worker's buffer, the first ones of `stretch`; what could not be read is as if it were not there.
  Result<void> pass(unsigned worker, const Stretch& stretch, size_t read) noexcept;
  // The pages stay here for now, unread: they have their place, and the pagemap says so.
  void leave(const Stretch& stretch) noexcept;
  // Nobody waits for a stretch that will not come.
  void fail() noexcept;
  void add_read(uint64_t ns) noexcept { counters_.add(&Counters::read_ns, ns); }
  void add_cpu(uint64_t ns) noexcept { counters_.add(&Counters::cpu_ns, ns); }
  // What the destination has when this level is there.
  DigestTables take_tables() noexcept { return std::move(tables_); }

 private:
  enum class Fate : uint8_t { carried, zero, same, left };
  struct Outgoing {
    page::Image* image;
    uint64_t committed = 0;  // so many bytes have their place
    uint64_t next_page = 0;  // in the pages file
    std::vector<page::PagemapEntry> same;
    const DigestTable* before = nullptr;
    DigestTable* table = nullptr;
  };
  struct Sorted {
    std::vector<Fate> fates;
    std::vector<PageDigest> digests;
  };

  Result<void> sort(Worker& worker, const Outgoing& outgoing, const Stretch& stretch, Sorted* sorted) noexcept;
  Result<uint64_t> commit(Outgoing& outgoing, const Stretch& stretch, const Sorted& sorted) noexcept;
  Result<void> emit(Worker& worker, const Stretch& stretch, const Sorted& sorted, uint64_t place) noexcept;
  Result<void> send_map(const Outgoing& outgoing, int directory, const Cancel& cancel) noexcept;

  uint32_t number_;
  Maps maps_;
  std::vector<Worker>& workers_;
  const DigestTables& before_;
  Counters& counters_;
  const Cancel* cancel_ = nullptr;
  std::mutex mutex_;
  std::condition_variable committed_;
  bool failed_ = false;
  std::map<const page::Image*, Outgoing> images_;
  std::vector<Outgoing*> order_;
  DigestTables tables_;
};

}  // namespace frazil::transfer
