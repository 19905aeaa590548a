#include "archive/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "page/image_file.h"
#include "sys/full_io.h"
#include "sys/splice.h"
#include "sys/wait_for.h"

namespace frazil::archive {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

}  // namespace

// A pipe or socket may be in blocking mode, which its other holders count on: splice from a pipe of ours can be told not to wait. Devices
// take no splice, and do not make anybody wait.
Result<Output> Output::open(UniqueFd fd, OutputForm form) noexcept {
  struct stat status;
  if (::fstat(fd.get(), &status) == -1) return SysError{errno, "fstat"};
  if (S_ISREG(status.st_mode) || (S_ISCHR(status.st_mode) && form == OutputForm::stream))
    return Output(std::move(fd), form, {});
  if (form == OutputForm::file) return SysError{ESPIPE, "lseek"};
  auto relay = open_pipe(kPieceBytes);
  if (!relay.ok()) return relay.error();
  const int capacity = ::fcntl(relay.value().write.get(), F_GETPIPE_SZ);
  if (capacity <= 0) return SysError{errno, "fcntl"};
  Output output(std::move(fd), form, std::move(relay).value());
  output.relay_bytes_ = static_cast<size_t>(capacity);
  return output;
}

Result<void> Output::append(std::span<const std::byte> bytes, const Cancel& cancel) noexcept {
  while (!bytes.empty()) {
    if (cancel.cancelled()) return SysError{ECANCELED, "write"};
    const auto piece = bytes.first(std::min(bytes.size(), relay_.write ? relay_bytes_ : kPieceBytes));
    if (auto written = put(piece, cancel); !written.ok()) return written;
    bytes = bytes.subspan(piece.size());
    end_ += piece.size();
  }
  return {};
}

Result<void> Output::put(std::span<const std::byte> piece, const Cancel& cancel) noexcept {
  if (form_ == OutputForm::file) return pwrite_full(fd_.get(), piece.data(), piece.size(), end_);
  if (!relay_.write) return write_full(fd_.get(), piece.data(), piece.size());
  // It is empty and holds the piece, so this does not wait.
  if (auto held = write_full(relay_.write.get(), piece.data(), piece.size()); !held.ok()) return held;
  return pass_on(piece.size(), cancel);
}

Result<void> Output::pass_on(size_t bytes, const Cancel& cancel) const noexcept {
  while (bytes > 0) {
    const auto moved = splice_bytes(relay_.read.get(), fd_.get(), nullptr, bytes);
    if (moved.ok()) {
      bytes -= moved.value();
      continue;
    }
    if (moved.error().number != EAGAIN) return moved.error();
    const auto wake = wait_for(fd_.get(), POLLOUT, cancel);
    if (!wake.ok()) return wake.error();
    if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "splice"};
  }
  return {};
}

Result<void> Output::write_at(uint64_t at, std::span<const std::byte> bytes) const noexcept {
  if (form_ != OutputForm::file) return SysError{EINVAL, "pwrite"};
  return pwrite_full(fd_.get(), bytes.data(), bytes.size(), at);
}

Result<void> Output::finish(bool sync) const noexcept {
  if (form_ == OutputForm::stream) return {};
  if (auto kept = page::check_written(fd_.get()); !kept.ok()) return kept;
  if (sync && ::fdatasync(fd_.get()) == -1) return SysError{errno, "fdatasync"};
  return {};
}

}  // namespace frazil::archive
