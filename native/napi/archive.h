#pragma once

#include <napi.h>

#include <memory>

#include "archive/archive.h"

namespace frazil {

// What an ArchiveWriter and the page sink that writes into it share.
struct SharedArchive {
  std::shared_ptr<page::Counters> counters;
  std::unique_ptr<archive::Archive> archive;
};

// Empty, with a TypeError, when `value` is no ArchiveWriter or is closed.
std::shared_ptr<SharedArchive> archive_from(const Napi::Value& value);

}  // namespace frazil
