#pragma once

#include <memory>

#include "archive/archive.h"

namespace frazil::archive {

// A store that writes to a file while pages come, with what such a one leaves to do: the heads.
class DirectStore final : public page::Store {
 public:
  DirectStore(std::unique_ptr<page::Store> inner, Archive& archive) noexcept
      : inner_(std::move(inner)), archive_(archive) {}
  ~DirectStore() override { archive_.members_.clear(); }

  Result<void> prepare(uint64_t expected_bytes, const Cancel& cancel) noexcept override {
    return inner_->prepare(expected_bytes, cancel);
  }
  Result<void> open(page::Image& image) noexcept override { return inner_->open(image); }
  Result<void> rest() noexcept override { return inner_->rest(); }
  Result<void> put(unsigned worker, const page::Payload& payload, page::Image& image) noexcept override {
    return inner_->put(worker, payload, image);
  }
  Result<void> settle(const Cancel& cancel) noexcept override {
    if (auto settled = inner_->settle(cancel); !settled.ok()) return settled;
    return archive_.patch_heads();
  }

 private:
  std::unique_ptr<page::Store> inner_;
  Archive& archive_;
};

}  // namespace frazil::archive
