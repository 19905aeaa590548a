#include "transfer/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

#include "sys/retry.h"
#include "sys/wait_for.h"

namespace frazil::transfer {
namespace {

using crypto::Aead;
using crypto::kNonceBytes;
using crypto::kTagBytes;

Result<std::optional<Aead>> open_aead(Aead::Use use, const std::optional<StreamKey>& key) noexcept {
  if (!key) return std::optional<Aead>();
  auto aead = Aead::open(crypto::Cipher::aes_256_gcm, use, crypto::Key(*key));
  if (!aead.ok()) return aead.error();
  return std::optional<Aead>(std::move(aead).value());
}

std::array<std::byte, kNonceBytes> nonce_of(uint64_t frame) noexcept {
  std::array<std::byte, kNonceBytes> nonce{};
  std::memcpy(nonce.data(), &frame, sizeof frame);
  return nonce;
}

// Takes `done` bytes off the front of what is still to be sent.
void advance(std::span<iovec>* parts, size_t done) noexcept {
  while (!parts->empty() && done >= parts->front().iov_len) {
    done -= parts->front().iov_len;
    *parts = parts->subspan(1);
  }
  if (parts->empty()) return;
  parts->front().iov_base = static_cast<char*>(parts->front().iov_base) + done;
  parts->front().iov_len -= done;
}

Result<void> send_all(int socket, std::span<iovec> parts, const Cancel& cancel) noexcept {
  advance(&parts, 0);
  while (!parts.empty()) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t n = retry_eintr([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (n >= 0) {
      advance(&parts, static_cast<size_t>(n));
      continue;
    }
    if (errno != EAGAIN) return SysError{errno, "sendmsg"};
    const auto wake = wait_for(socket, POLLOUT, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "sendmsg"};
  }
  return {};
}

}  // namespace

Result<OutgoingStream> OutgoingStream::open(UniqueFd socket, const std::optional<StreamKey>& key) noexcept {
  auto aead = open_aead(Aead::Use::seal, key);
  if (!aead.ok()) return aead.error();
  return OutgoingStream(std::move(socket), std::move(aead).value());
}

Result<void> OutgoingStream::send(const FrameHead& head, std::span<std::byte> body, const Cancel& cancel) noexcept {
  std::array<std::byte, kTagBytes> tag;
  const auto head_bytes = std::as_bytes(std::span(&head, 1));
  if (aead_) {
    const auto sealed = aead_->seal(nonce_of(frames_), {head_bytes, body}, body.data(), tag);
    if (!sealed.ok()) return sealed;
  }
  ++frames_;
  FrameHead copy = head;
  iovec parts[] = {{&copy, sizeof copy}, {body.data(), body.size()}, {tag.data(), aead_ ? kTagBytes : 0}};
  if (auto done = send_all(socket_.get(), parts, cancel); !done.ok()) return done;
  sent_ += sizeof copy + body.size() + (aead_ ? kTagBytes : 0);
  return {};
}

void OutgoingStream::shut_down() const noexcept { (void)::shutdown(socket_.get(), SHUT_RDWR); }

Result<IncomingStream> IncomingStream::open(UniqueFd socket, const std::optional<StreamKey>& key) noexcept {
  auto aead = open_aead(Aead::Use::unseal, key);
  if (!aead.ok()) return aead.error();
  return IncomingStream(std::move(socket), std::move(aead).value());
}

Result<FrameHead> IncomingStream::receive(std::span<const std::byte>* body, const Cancel& cancel) noexcept {
  FrameHead head{};
  if (auto got = read(&head, sizeof head, cancel); !got.ok()) return got.error();
  if (!is_plausible(head)) return SysError{EPROTO, "recv"};
  const size_t bytes = head.bytes + (aead_ ? kTagBytes : 0);
  if (auto got = read(body_.data(), bytes, cancel); !got.ok()) return got.error();
  received_ += sizeof head + bytes;
  const std::span<std::byte> text(body_.data(), head.bytes);
  if (aead_) {
    const crypto::ConstTag tag(body_.data() + head.bytes, kTagBytes);
    const auto head_bytes = std::as_bytes(std::span(&head, 1));
    const auto opened = aead_->unseal(nonce_of(frames_), {head_bytes, text}, text.data(), tag);
    if (!opened.ok()) return opened.error();
  }
  ++frames_;
  *body = text;
  return head;
}

Result<void> IncomingStream::read(void* to, size_t bytes, const Cancel& cancel) noexcept {
  for (size_t done = 0; done < bytes;) {
    const ssize_t n =
        retry_eintr([&] { return ::recv(socket_.get(), static_cast<char*>(to) + done, bytes - done, MSG_DONTWAIT); });
    if (n == 0) return SysError{ECONNRESET, "recv"};
    if (n > 0) {
      done += static_cast<size_t>(n);
      continue;
    }
    if (errno != EAGAIN) return SysError{errno, "recv"};
    const auto wake = wait_for(socket_.get(), POLLIN, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "recv"};
  }
  return {};
}

void IncomingStream::shut_down() const noexcept { (void)::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace frazil::transfer
