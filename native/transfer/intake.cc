#include "transfer/intake.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <deque>

#include "page/image_file.h"
#include "sys/full_io.h"
#include "sys/retry.h"
#include "transfer/clock.h"

namespace frazil::transfer {
namespace {

using page::kPageSize;

// A tree has thousands of tasks, a process perhaps a thousand fds.
constexpr size_t kMaxOpenFiles = 256;
constexpr size_t kMaxImages = size_t{1} << 18;

struct Present {
  uint64_t pages = 0;
  uint64_t lazy = 0;  // of these
};

Present present_in(const page::PagemapWriter& map) noexcept {
  Present present;
  for (const page::PagemapEntry& entry : map.entries()) {
    if ((entry.flags & page::kPresent) == 0) continue;
    present.pages += entry.pages;
    if ((entry.flags & page::kLazy) != 0) present.lazy += entry.pages;
  }
  return present;
}

// A hole that may come lazily though it is filled here: of a tree that lacks pages lazy and not present, as CRIU writes of pages that it has
// not sent; of a whole one a hole.
page::PagemapWriter with_holes_for_criu(const page::PagemapWriter& map, Intake::Extent extent) {
  constexpr uint32_t kHole = page::kParent | page::kLazy;
  const uint32_t instead = extent == Intake::Extent::lacking ? page::kLazy : page::kParent;
  page::PagemapWriter out(map.pages_id());
  for (const page::PagemapEntry& entry : map.entries())
    (void)out.append({entry.vaddr, entry.pages, entry.flags == kHole ? instead : entry.flags});
  return out;
}

}  // namespace

Result<std::unique_ptr<Intake>> Intake::open(IntakeOptions options, std::shared_ptr<Counters> counters) noexcept {
  auto& [sockets, keys, max_bytes] = options;
  if (sockets.empty() || (!keys.empty() && keys.size() != sockets.size())) return SysError{EINVAL, "accept"};
  std::vector<IncomingStream> streams;
  for (size_t i = 0; i < sockets.size(); ++i) {
    auto stream = IncomingStream::open(std::move(sockets[i]), keys.empty() ? std::optional<StreamKey>() : keys[i]);
    if (!stream.ok()) return stream.error();
    streams.push_back(std::move(stream).value());
  }
  return std::unique_ptr<Intake>(new Intake(std::move(streams), max_bytes, std::move(counters)));
}

Result<void> Intake::receive(UniqueFd directory, UniqueFd parent, Extent extent, const Cancel& cancel) noexcept {
  extent_ = extent;
  page::ParentChain parents;
  if (parent) {
    auto chain = page::ParentChain::open(std::move(parent));
    if (!chain.ok()) return chain.error();
    parents = std::move(chain).value();
  }
  directory_ = std::move(directory);
  images_.clear();
  open_files_ = 0;
  auto done = read_all(cancel);
  if (done.ok()) done = write_images(parents);
  if (done.ok()) done = free_replaced(parents);
  if (!done.ok()) {
    for (const IncomingStream& stream : streams_) stream.shut_down();
  }
  std::map<uint64_t, uint32_t> files;
  for (const auto& [key, image] : images_) files.emplace(key, image.map.pages_id());
  bases_.add(std::move(directory_), std::move(files));
  ++level_;
  return done;
}

Result<void> Intake::read_all(const Cancel& cancel) noexcept {
  std::deque<Reader> readers;  // the threads hold pointers to the elements
  Result<void> outcome;
  for (IncomingStream& stream : streams_) {
    Reader& reader = readers.emplace_back(Reader{this, &stream, &cancel, {}, {}});
    auto thread = Thread::spawn("frazil-intake", reader);
    if (!thread.ok()) {
      for (const IncomingStream& each : streams_) each.shut_down();
      outcome = thread.error();
      break;
    }
    reader.thread = std::move(thread).value();
  }
  for (Reader& reader : readers) {
    reader.thread.join();
    // Of several failures a lost connection is an echo of another.
    const bool echo = !reader.outcome.ok() && reader.outcome.error().number == ECONNRESET;
    if (!reader.outcome.ok() && (outcome.ok() || !echo)) outcome = reader.outcome;
  }
  return outcome;
}

void Intake::Reader::operator()() noexcept {
  const uint64_t before = stream->received();
  outcome = intake->read_stream(*stream, *cancel);
  intake->counters_->add(&Counters::wire_bytes, stream->received() - before);
  intake->counters_->add(&Counters::cpu_ns, thread_cpu_ns());
  if (outcome.ok()) return;
  // The others wait for frames that would be of no use.
  for (const IncomingStream& each : intake->streams_) each.shut_down();
}

Result<void> Intake::read_stream(IncomingStream& stream, const Cancel& cancel) noexcept {
  Unpacker unpacker;
  for (;;) {
    std::span<const std::byte> body;
    const auto head = stream.receive(&body, cancel);
    if (!head.ok()) return head.error();
    if (head.value().level != level_) return SysError{EPROTO, "recv"};
    if (head.value().kind == static_cast<uint32_t>(FrameKind::barrier)) return {};
    if (auto taken = take(head.value(), body, unpacker); !taken.ok()) return taken;
  }
}

Result<void> Intake::take(const FrameHead& head, std::span<const std::byte> body, Unpacker& unpacker) noexcept {
  const auto kind = static_cast<FrameKind>(head.kind);
  if (kind == FrameKind::map) return take_map(head, body);
  counters_->add(&Counters::body_bytes, body.size());
  if (kind == FrameKind::patched) return take_patched(head, body, unpacker);
  if (kind != FrameKind::lz4 && kind != FrameKind::zstd) return take_pages(head, body);
  const auto pages = unpacker.unpack(kind, body, head.pages);
  if (!pages.ok()) return pages.error();
  counters_->add(&Counters::packed_pages, head.pages);
  return take_pages(head, pages.value());
}

Result<void> Intake::take_patched(const FrameHead& head, std::span<const std::byte> body, Unpacker& unpacker) noexcept {
  const auto pages = unpacker.room(head.pages);
  if (auto applied = bases_.apply(head, body, pages); !applied.ok()) return applied;
  counters_->add(&Counters::patched_pages, head.pages);
  counters_->add(&Counters::patch_bytes, body.size());
  return take_pages(head, pages);
}

Result<void> Intake::take_pages(const FrameHead& head, std::span<const std::byte> body) noexcept {
  std::shared_ptr<UniqueFd> pages;
  {
    const std::lock_guard lock(mutex_);
    pages_ += head.pages;
    if (pages_ > max_pages_ || head.first + head.pages > max_pages_) return SysError{EFBIG, "pwrite"};
    const auto image = image_for(head.image);
    if (!image.ok()) return image.error();
    image.value()->received += head.pages;
    auto opened = open_pages(*image.value());
    if (!opened.ok()) return opened.error();
    pages = std::move(opened).value();
  }
  const bool zero = head.kind == static_cast<uint32_t>(FrameKind::zero);
  counters_->add(&Counters::pages_in, head.pages);
  counters_->add(zero ? &Counters::zero_pages : &Counters::sent_pages, head.pages);
  if (zero) return {};
  return pwrite_full(pages->get(), body.data(), body.size(), head.first * kPageSize);
}

Result<void> Intake::take_map(const FrameHead& head, std::span<const std::byte> body) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = image_for(head.image);
  if (!found.ok()) return found.error();
  Image& image = *found.value();
  image.mapped = true;
  if (auto opened = open_pages(image); !opened.ok()) return opened.error();
  for (size_t at = 0; at < body.size(); at += sizeof(MapEntry)) {
    MapEntry entry;
    std::memcpy(&entry, body.data() + at, sizeof entry);
    if (!is_sound(entry) || !image.map.append({entry.vaddr, entry.pages, entry.flags})) return SysError{EPROTO, "recv"};
  }
  return {};
}

Result<Intake::Image*> Intake::image_for(uint64_t key) noexcept {
  const auto found = images_.find(key);
  if (found != images_.end()) return &found->second;
  if (images_.size() == kMaxImages) return SysError{EFBIG, "openat"};
  const auto pages_id = static_cast<uint32_t>(images_.size() + 1);
  return &images_.emplace(key, Image(pages_id)).first->second;
}

// Whoever writes holds the file itself: it may be closed here for want of fds, and opened again.
Result<std::shared_ptr<UniqueFd>> Intake::open_pages(Image& image) noexcept {
  if (image.pages) return image.pages;
  if (open_files_ == kMaxOpenFiles) {
    for (auto& [key, each] : images_) each.pages.reset();
    open_files_ = 0;
  }
  const std::string name = page::pages_name(image.map.pages_id());
  const bool made = ::faccessat(directory_.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  auto file =
      made ? page::reopen_image_file(directory_.get(), name) : page::create_image_file(directory_.get(), name, O_RDWR);
  if (!file.ok()) return file.error();
  image.pages = std::make_shared<UniqueFd>(std::move(file).value());
  ++open_files_;
  return image.pages;
}

Result<void> Intake::write_images(page::ParentChain& parents) noexcept {
  for (auto& [key, image] : images_) {
    const page::ImageId id = image_of(key);
    if (auto checked = check_image(id, image, parents); !checked.ok()) return checked;
    auto file = open_pages(image);
    if (!file.ok()) return file.error();
    // Zero pages at the end were only told of, and what is left behind is a hole.
    const auto bytes = static_cast<off_t>(present_in(image.map).pages * kPageSize);
    const int fd = file.value()->get();
    if (retry_eintr([&] { return ::ftruncate(fd, bytes); }) == -1) return SysError{errno, "ftruncate"};
    if (auto kept = page::check_written(fd); !kept.ok()) return kept;
    const page::PagemapWriter map = with_holes_for_criu(image.map, extent_);
    if (auto written = map.write(directory_.get(), id); !written.ok()) return written;
  }
  return {};
}

bool Intake::is_complete(const Image& image) const noexcept {
  const Present present = present_in(image.map);
  if (extent_ == Extent::whole) return present.pages == image.received;
  return present.pages <= max_pages_ && image.received <= present.pages &&
         image.received >= present.pages - present.lazy;
}

Result<void> Intake::check_image(const page::ImageId& id, const Image& image, page::ParentChain& parents) noexcept {
  if (!image.mapped || !is_complete(image)) return SysError{EPROTO, "recv"};
  if (parents.has(id)) {
    if (auto selected = parents.select(id, false); !selected.ok()) return selected;
  }
  for (const page::PagemapEntry& entry : image.map.entries()) {
    if ((entry.flags & page::kParent) == 0) continue;
    if (!parents.has(id) || !parents.covers(entry)) return SysError{EPROTO, "recv"};
  }
  return {};
}

Result<void> Intake::free_replaced(page::ParentChain& parents) noexcept {
  for (const auto& [key, image] : images_) {
    const page::ImageId id = image_of(key);
    if (!parents.has(id)) continue;
    if (auto selected = parents.select(id, true); !selected.ok()) return selected;
    for (const page::PagemapEntry& entry : image.map.entries()) {
      if ((entry.flags & page::kPresent) == 0) continue;
      if (auto punched = parents.punch(entry); !punched.ok()) return punched.error();
    }
  }
  return {};
}

}  // namespace frazil::transfer
