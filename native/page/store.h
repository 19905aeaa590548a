#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cancel.h"
#include "core/result.h"
#include "page/image.h"

namespace frazil::page {

// Where the payload goes: straight into the images directory, or into memory first. put() is called by several copying threads
// at once; a `worker` has one call under way at a time. Everything else comes from one thread.
class Store {
 public:
  Store() = default;
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Makes room before the tree is frozen, so that no page has to be found while it stands still. May be skipped.
  virtual Result<void> prepare(uint64_t expected_bytes, const Cancel& cancel) noexcept = 0;
  // Called once per image, before its first put().
  virtual Result<void> open(Image& image) noexcept = 0;
  // No put() is under way, and none will come for the images that were opened so far: their fds may go.
  virtual Result<void> rest() noexcept = 0;
  // Takes all of the payload. When it returns, no byte of it aliases a page of a task any more.
  virtual Result<void> put(unsigned worker, const Payload& payload, Image& image) noexcept = 0;
  // Brings the payload of all images to the directory, if it is not there yet, and finds the zero pages.
  virtual Result<void> settle(const Cancel& cancel) noexcept = 0;
};

}  // namespace frazil::page
