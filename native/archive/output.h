#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/cancel.h"
#include "core/result.h"
#include "core/unique_fd.h"
#include "sys/pipe.h"

namespace frazil::archive {

// `file`: a regular file of ours alone, which may be written anywhere. `stream`: anything that takes bytes, in order, once.
enum class OutputForm : uint8_t { file, stream };

// Where the bytes of an archive end up. One thread at a time appends; write_at() may be called by several.
class Output {
 public:
  static Result<Output> open(UniqueFd fd, OutputForm form) noexcept;

  // A stream that nobody reads is waited for, or for `cancel`; a file is written in pieces of what was given.
  Result<void> append(std::span<const std::byte> bytes, const Cancel& cancel) noexcept;
  // Only in a file: EINVAL otherwise.
  Result<void> write_at(uint64_t at, std::span<const std::byte> bytes) const noexcept;
  // Others have written up to there.
  void skip_to(uint64_t end) noexcept { end_ = end; }
  // All bytes are with the kernel, and the file system has no objection; with `sync` they are on the disk.
  Result<void> finish(bool sync) const noexcept;

  // Of a stream: its reader finds the end.
  void close() noexcept { fd_ = UniqueFd(); }

  uint64_t bytes() const noexcept { return end_; }
  OutputForm form() const noexcept { return form_; }
  // Of a file, borrowed.
  int file() const noexcept { return fd_.get(); }

 private:
  Output(UniqueFd fd, OutputForm form, Pipe relay) noexcept
      : fd_(std::move(fd)), form_(form), relay_(std::move(relay)) {}
  Result<void> put(std::span<const std::byte> piece, const Cancel& cancel) noexcept;
  Result<void> pass_on(size_t bytes, const Cancel& cancel) const noexcept;

  UniqueFd fd_;
  OutputForm form_;
  Pipe relay_;  // for what is no file: empty between calls
  size_t relay_bytes_ = 0;
  uint64_t end_ = 0;
};

}  // namespace frazil::archive
