#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "core/result.h"

namespace frazil::page {

// The bytes of a pages-N.img, wherever they lie. Thread-safe.
class StoredPages {
 public:
  StoredPages() = default;
  virtual ~StoredPages() = default;
  StoredPages(const StoredPages&) = delete;
  StoredPages& operator=(const StoredPages&) = delete;

  // Fills all of `into`. ENODATA when there is less, ESTALE when somebody has changed it since it was opened.
  virtual Result<void> read(uint64_t offset, std::span<std::byte> into) const noexcept = 0;
};

// Where they are found, if not beside their pagemaps.
class PagesPlace {
 public:
  PagesPlace() = default;
  virtual ~PagesPlace() = default;
  PagesPlace(const PagesPlace&) = delete;
  PagesPlace& operator=(const PagesPlace&) = delete;

  // ENODATA when it holds less than `bytes`.
  virtual Result<std::unique_ptr<StoredPages>> open(uint32_t pages_id, uint64_t bytes) noexcept = 0;
  // How much of what was read had been decompressed before.
  virtual uint64_t cached_bytes() const noexcept { return 0; }
};

}  // namespace frazil::page
