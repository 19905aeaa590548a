#include "transfer/tunnel.h"

#include <sys/socket.h>

#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "core/thread.h"
#include "sys/retry.h"
#include "sys/wait_for.h"

namespace frazil::transfer {
namespace {

using crypto::Aead;
using crypto::kTagBytes;

// A fault is 32 bytes one way and a page the other; the rest comes in answers of megabytes.
constexpr size_t kMaxRecord = size_t{64} << 10;
using Length = uint32_t;

std::array<std::byte, crypto::kNonceBytes> nonce_of(uint64_t record) noexcept {
  std::array<std::byte, crypto::kNonceBytes> nonce{};
  std::memcpy(nonce.data(), &record, sizeof record);
  return nonce;
}

// What is there, at least one byte; 0 at the end.
Result<size_t> receive_some(int socket, std::span<std::byte> to, const Cancel& cancel) noexcept {
  for (;;) {
    const ssize_t n = retry_eintr([&] { return ::recv(socket, to.data(), to.size(), MSG_DONTWAIT); });
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EAGAIN) return SysError{errno, "recv"};
    const auto wake = wait_for(socket, POLLIN, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "recv"};
  }
}

Result<void> receive_all(int socket, std::span<std::byte> to, const Cancel& cancel) noexcept {
  while (!to.empty()) {
    const auto got = receive_some(socket, to, cancel);
    if (!got.ok()) return got.error();
    if (got.value() == 0) return SysError{ECONNRESET, "recv"};
    to = to.subspan(got.value());
  }
  return {};
}

Result<void> send_all(int socket, std::span<const std::byte> bytes, const Cancel& cancel) noexcept {
  while (!bytes.empty()) {
    const ssize_t n =
        retry_eintr([&] { return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(n));
      continue;
    }
    if (errno != EAGAIN) return SysError{errno, "send"};
    const auto wake = wait_for(socket, POLLOUT, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "send"};
  }
  return {};
}

}  // namespace

Result<Tunnel> Tunnel::open(UniqueFd outer, UniqueFd inner, const TunnelKeys& keys) noexcept {
  auto seal = Aead::open(crypto::Cipher::aes_256_gcm, Aead::Use::seal, crypto::Key(keys.out));
  if (!seal.ok()) return seal.error();
  auto unseal = Aead::open(crypto::Cipher::aes_256_gcm, Aead::Use::unseal, crypto::Key(keys.in));
  if (!unseal.ok()) return unseal.error();
  return Tunnel(std::move(outer), std::move(inner), std::move(seal).value(), std::move(unseal).value());
}

Result<void> Tunnel::run(const Cancel& cancel) noexcept {
  Way back{this, &cancel, {}};
  auto thread = Thread::spawn("frazil-tunnel", back);
  if (!thread.ok()) {
    shut_down();
    return thread.error();
  }
  const auto outcome = outward(cancel);
  shut_down();
  thread.value().join();
  // Of two failures a lost connection is an echo of the other.
  const bool told = !back.outcome.ok() && back.outcome.error().number != ECONNRESET;
  return told ? back.outcome : outcome;
}

void Tunnel::Way::operator()() noexcept {
  outcome = tunnel->inward(*cancel);
  tunnel->shut_down();
}

Result<void> Tunnel::outward(const Cancel& cancel) noexcept {
  std::vector<std::byte> record(sizeof(Length) + kMaxRecord + kTagBytes);
  for (uint64_t number = 0;; ++number) {
    const auto text = std::span(record).subspan(sizeof(Length));
    const auto got = receive_some(inner_.get(), text.first(kMaxRecord), cancel);
    if (!got.ok()) return got.error();
    if (got.value() == 0) return {};
    const auto length = static_cast<Length>(got.value());
    std::memcpy(record.data(), &length, sizeof length);
    const auto tag = crypto::Tag(text.subspan(length).first<kTagBytes>());
    const crypto::Message message{std::span(record).first(sizeof length), text.first(length)};
    if (auto sealed = seal_.seal(nonce_of(number), message, text.data(), tag); !sealed.ok()) return sealed;
    const auto whole = std::span(record).first(sizeof length + length + kTagBytes);
    if (auto sent = send_all(outer_.get(), whole, cancel); !sent.ok()) return sent;
  }
}

Result<void> Tunnel::inward(const Cancel& cancel) noexcept {
  std::vector<std::byte> record(sizeof(Length) + kMaxRecord + kTagBytes);
  for (uint64_t number = 0;; ++number) {
    const auto head = std::span(record).first(sizeof(Length));
    if (auto got = receive_all(outer_.get(), head, cancel); !got.ok()) return got;
    Length length = 0;
    std::memcpy(&length, head.data(), sizeof length);
    if (length == 0 || length > kMaxRecord) return SysError{EPROTO, "recv"};
    const auto text = std::span(record).subspan(sizeof length, length);
    const auto tag = std::span(record).subspan(sizeof length + length).first<kTagBytes>();
    const auto rest = std::span(record).subspan(sizeof length, length + kTagBytes);
    if (auto got = receive_all(outer_.get(), rest, cancel); !got.ok()) return got;
    const auto opened = unseal_.unseal(nonce_of(number), {head, text}, text.data(), crypto::ConstTag(tag));
    if (!opened.ok()) return opened;
    if (auto sent = send_all(inner_.get(), text, cancel); !sent.ok()) return sent;
  }
}

// Both ways see the end.
void Tunnel::shut_down() const noexcept {
  (void)::shutdown(outer_.get(), SHUT_RDWR);
  (void)::shutdown(inner_.get(), SHUT_RDWR);
}

}  // namespace frazil::transfer
