#pragma once

#include <memory>

#include "archive/frame_pool.h"

namespace frazil::archive {

// The rest of a stream, written in order by one thread.
class Appender {
 public:
  Appender() = default;
  virtual ~Appender() = default;
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  // Bytes of members. `pages` says that what comes now begins a frame, and what comes after it begins another.
  virtual Result<void> write(std::span<const std::byte> bytes) noexcept = 0;
  virtual Result<void> begin_pages(std::span<const std::byte> head) noexcept = 0;
  virtual Result<void> end_pages() noexcept = 0;
  // Everything is in the output.
  virtual Result<void> flush() noexcept = 0;
};

// Nothing of what is passed may go before the appender. `at` is where the stream goes on.
std::unique_ptr<Appender> make_plain_appender(Output& output, page::Counters& counters, const Cancel& cancel) noexcept;
Result<std::unique_ptr<Appender>> make_frame_appender(const Compression& compression, FrameFile& file,
                                                      page::Counters& counters, const Cancel& cancel) noexcept;

}  // namespace frazil::archive
