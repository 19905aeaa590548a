#include "archive/member_digests.h"

namespace frazil::archive {

Result<MemberDigests> MemberDigests::open() noexcept {
  auto digest = crypto::Sha256::open();
  if (!digest.ok()) return digest.error();
  return MemberDigests(std::move(digest).value());
}

Result<void> MemberDigests::begin() noexcept {
  auto ended = end();
  open_ = ended.ok();
  return ended;
}

Result<void> MemberDigests::end() noexcept {
  if (!open_) return {};
  open_ = false;
  const auto digest = digest_.finish();
  if (!digest.ok()) return digest.error();
  done_.push_back(digest.value());
  return {};
}

Result<std::vector<crypto::Sha256Digest>> MemberDigests::all() noexcept {
  if (auto ended = end(); !ended.ok()) return ended.error();
  return done_;
}

}  // namespace frazil::archive
