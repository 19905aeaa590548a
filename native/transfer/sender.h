#pragma once

// The source's end of a migration's page streams: level after level, each from CRIU's page socket or from reading running tasks.

#include <memory>
#include <optional>
#include <vector>

#include "page/receiver.h"
#include "transfer/leaving.h"
#include "transfer/level.h"
#include "transfer/scan.h"

namespace frazil::transfer {

struct SenderOptions {
  std::vector<UniqueFd> sockets;
  std::vector<StreamKey> keys;  // one for each socket, or none at all
  bool digests = false;
  std::optional<Packing> packing;
  std::optional<DeltaOptions> delta;
};

// A level is begun by serve(), scan() or leave() and ended by finish(); these never overlap. After a failure the streams are of no use any
// more, and are shut down.
class Sender {
 public:
  // EINVAL without a socket, or with another number of keys.
  static Result<std::unique_ptr<Sender>> open(SenderOptions options, std::shared_ptr<Counters> counters) noexcept;

  // Takes the pages of one dump or pre-dump. `parent` may be empty: where finish() has written the pagemaps of the level before.
  std::optional<page::Failure> serve(int socket, UniqueFd parent, const Cancel& cancel) noexcept;
  // Takes the private pages of running tasks.
  Result<void> scan(const std::vector<ScanTask>& tasks, const Cancel& cancel) noexcept;
  // Takes a dump that lies in `directory`: what CRIU restores itself is sent, the rest is left behind there.
  Result<void> leave(UniqueFd directory, const std::vector<page::ImageId>& images, const Cancel& cancel) noexcept;
  // Ends the level: pagemaps, barriers. `directory` (-1 for none) gets the pagemaps, too.
  Result<void> finish(int directory, const Cancel& cancel) noexcept;

 private:
  Sender(std::unique_ptr<SentPages> sent, std::vector<Worker> workers, std::shared_ptr<Counters> counters) noexcept
      : sent_(std::move(sent)), workers_(std::move(workers)), counters_(std::move(counters)) {}
  Level& begin(Maps maps);
  void shut_down() noexcept;

  std::unique_ptr<SentPages> sent_;  // the workers' own
  std::vector<Worker> workers_;
  std::shared_ptr<Counters> counters_;
  page::Counters received_;
  DigestTables tables_;
  uint32_t next_ = 0;
  std::unique_ptr<Level> level_;
  // They own the images of the level, which is why they stay until it ends.
  std::unique_ptr<page::Receiver> receiver_;
  std::unique_ptr<Scan> scan_;
  std::unique_ptr<Leaving> leaving_;
};

}  // namespace frazil::transfer
