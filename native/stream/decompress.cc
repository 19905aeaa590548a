#include <memory>
#include <new>

#include "compress/stream.h"
#include "stream/ends.h"
#include "stream/filter.h"
#include "stream/source.h"

namespace frazil::stream {
namespace {

constexpr size_t kInBytes = size_t{128} << 10;
constexpr size_t kOutBytes = size_t{256} << 10;

}  // namespace

Result<void> decompress(compress::Codec codec, const Ends& ends, const Cancel& cancel, Counters& counters) noexcept {
  auto decoder = compress::open_stream_decoder(codec);
  if (!decoder.ok()) return decoder.error();
  auto writer = Writer::over(ends.to);
  if (!writer.ok()) return writer.error();
  const std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[kInBytes + kOutBytes]);
  if (memory == nullptr) return SysError{ENOMEM, "malloc"};
  const std::span in(memory.get(), kInBytes);
  const std::span out(memory.get() + kInBytes, kOutBytes);
  Source source(ends);
  // An empty file is no compressed one.
  bool whole = false;
  for (;;) {
    auto got = source.some(in, cancel);
    if (!got.ok()) return got.error();
    if (got.value() == 0) return whole ? Result<void>() : SysError{ENODATA, "read"};
    counters.bytes.fetch_add(got.value(), std::memory_order_relaxed);
    // A full `out` means that there may be more, although all of `in` was taken.
    for (std::span<const std::byte> left = in.first(got.value()); !left.empty() || !whole;) {
      if (cancel.cancelled()) return SysError{ECANCELED, "read"};
      auto step = decoder.value()->decode(left, out);
      if (!step.ok()) return step.error();
      const auto [used, made, ended] = step.value();
      if (used == 0 && made == 0 && !left.empty()) return SysError{EBADMSG, "read"};
      whole = ended;
      left = left.subspan(used);
      if (auto put = writer.value().write(out.data(), made, cancel); !put.ok()) return put.error();
      counters.bytes_user.fetch_add(made, std::memory_order_relaxed);
      if (left.empty() && made < kOutBytes) break;
    }
  }
}

}  // namespace frazil::stream
