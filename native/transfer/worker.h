#pragma once

#include <optional>
#include <vector>

#include "transfer/delta_stage.h"
#include "transfer/packing.h"
#include "transfer/page_digest.h"
#include "transfer/stream.h"

namespace frazil::transfer {

// A sender's tools, one set per stream; they live as long as the streams.
struct Worker {
  OutgoingStream stream;
  std::optional<PageDigester> digester;
  std::optional<DeltaStage> delta;
  std::optional<Packer> packer;
  std::vector<std::byte> buffer = std::vector<std::byte>(kMaxFramePages * page::kPageSize);
};

}  // namespace frazil::transfer
