#include "page/receiver.h"

#include <sys/socket.h>
#include <time.h>

#include <algorithm>

#include "sys/retry.h"
#include "sys/splice.h"
#include "sys/wait_for.h"

namespace frazil::page {
namespace {

// Each image that pages still come for may cost an fd. A tree has thousands of tasks, a process perhaps a thousand fds.
constexpr size_t kMaxOpenImages = 128;

// The pagemap is what is wrong, not the machine.
bool is_broken(SysError error) noexcept {
  return error.number == EBADMSG || error.number == ENOTSUP || error.number == ENOENT || error.number == ELOOP;
}

}  // namespace

Failure Receiver::system(SysError error) const noexcept {
  return {error.number == ECANCELED ? Fault::cancelled : Fault::system, error, current_ ? current_->id : ImageId{}, 0,
          0};
}

// Of a call on the socket. A peer that is gone is found out by whatever comes first: reading, or answering.
Failure Receiver::broken(SysError error) const noexcept {
  const bool gone = error.number == EPIPE || error.number == ECONNRESET;
  if (!gone) return system(error);
  return {Fault::hung_up, {0, ""}, current_ ? current_->id : ImageId{}, 0, 0};
}

Failure Receiver::at(Fault fault, const Header& header) const noexcept {
  ImageId id{};
  if (!decode_id(header.dst_id, &id) && current_ != nullptr) id = current_->id;
  return {fault, {0, ""}, id, header.vaddr, header.pages};
}

std::optional<Failure> Receiver::serve(int socket, const Cancel& cancel) noexcept {
  socket_ = socket;
  cancel_ = &cancel;
  auto pool = CopyPool::start(store_, options_.workers, counters_);
  if (!pool.ok()) return system(pool.error());
  pool_ = std::move(pool).value();
  const Step ended = loop();
  pool_.reset();
  // Nothing may be read from a peer that we have given up on, and CRIU must not wait for an answer that will not come.
  if (ended) (void)::shutdown(socket, SHUT_RDWR);
  timespec cpu{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  counters_.add(&Counters::cpu_ns,
                static_cast<uint64_t>(cpu.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(cpu.tv_nsec));
  return ended;
}

Receiver::Step Receiver::loop() noexcept {
  while (!closed_) {
    Header header{};
    if (Step failed = read_header(&header)) return failed;
    if (!is_plausible(header)) return at(Fault::bad_header, header);
    if (Step failed = dispatch(header)) return failed;
  }
  return {};
}

Receiver::Step Receiver::read_header(Header* header) noexcept {
  std::byte bytes[kWideBytes];
  if (Step failed = read_exactly(bytes, kNarrowBytes)) return failed;
  if (form_ == HeaderForm::unknown) form_ = detect_form(std::span<const std::byte, kNarrowBytes>(bytes, kNarrowBytes));
  if (form_ == HeaderForm::wide) {
    if (Step failed = read_exactly(bytes + kNarrowBytes, kWideBytes - kNarrowBytes)) return failed;
  }
  *header = parse_header(form_, bytes);
  return {};
}

Receiver::Step Receiver::dispatch(const Header& header) noexcept {
  switch (header.command) {
    case Command::open:
      return open_image(header, false);
    case Command::open2:
      return open_image(header, true);
    case Command::parent:
      return ask_parent(header);
    case Command::add_f:
      return add_run(header);
    case Command::close:
    case Command::force_close:
      return finish();
    default:
      return at(Fault::unknown_command, header);
  }
}

Receiver::Step Receiver::open_image(const Header& header, bool answered) noexcept {
  ImageId id{};
  if (!decode_id(header.dst_id, &id)) return at(Fault::unknown_image, header);
  if (Step failed = begin_image(id, header)) return failed;
  return answered ? answer(static_cast<uint8_t>(current_->has_parent ? 1 : 0)) : Step{};
}

Receiver::Step Receiver::begin_image(const ImageId& id, const Header& header) noexcept {
  // Its second pagemap would replace the first, and what that led to would be lost without a word.
  if (!opened_.emplace(id.kind, id.id).second) return at(Fault::bad_header, header);
  if (!images_.empty() && images_.size() % kMaxOpenImages == 0) {
    if (auto drained = pool_->drain(); !drained.ok()) return system(drained.error());
    if (auto rested = store_.rest(); !rested.ok()) return system(rested.error());
  }
  Image& image = images_.emplace_back(id, options_.first_pages_id + static_cast<uint32_t>(images_.size()));
  counters_.add(&Counters::images, 1);
  current_ = &image;
  image.has_parent = parents_.has(id);
  if (image.has_parent) {
    const auto selected = parents_.select(id, false);
    if (!selected.ok() && is_broken(selected.error())) return at(Fault::bad_parent, header);
    if (!selected.ok()) return system(selected.error());
  }
  if (auto opened = store_.open(image); !opened.ok()) return system(opened.error());
  return {};
}

Receiver::Step Receiver::ask_parent(const Header& header) noexcept {
  ImageId id{};
  if (!decode_id(header.dst_id, &id)) return at(Fault::unknown_image, header);
  return answer(static_cast<int32_t>(parents_.has(id) ? 1 : 0));
}

Receiver::Step Receiver::add_run(const Header& header) noexcept {
  if (current_ == nullptr) return at(Fault::no_image, header);
  const PagemapEntry run{header.vaddr, header.pages, header.flags};
  counters_.add(&Counters::runs, 1);
  if ((header.flags & kParent) != 0) {
    if (Step failed = check_hole(run)) return failed;
    counters_.add(&Counters::parent_pages, run.pages);
  }
  if (!current_->map.append(run)) return at(Fault::not_sorted, header);
  if ((header.flags & kPresent) == 0) return {};
  return take_payload(run);
}

Receiver::Step Receiver::check_hole(const PagemapEntry& run) noexcept {
  const Fault fault = current_->has_parent ? Fault::hole_not_in_parent : Fault::hole_without_parent;
  if (current_->has_parent && parents_.covers(run)) return {};
  return Failure{fault, {0, ""}, current_->id, run.vaddr, run.pages};
}

Receiver::Step Receiver::take_payload(const PagemapEntry& run) noexcept {
  uint64_t bytes = run.pages * kPageSize;
  while (bytes > 0) {
    const auto acquired = pool_->acquire();
    if (!acquired.ok()) return system(acquired.error());
    CopyPool::Load& load = *acquired.value();
    load.image = current_;
    load.offset = current_->bytes;
    load.vaddr = run.end() - bytes;
    // After a failure the load is lost to the pool, which ends with us.
    if (Step failed = fill(load, bytes)) return failed;
    const size_t got = load.bytes();  // before another thread has it
    pool_->submit(&load);
    current_->bytes += got;
    bytes -= got;
    counters_.add(&Counters::bytes_in, got);
  }
  return {};
}

// Fills the pipe as far as whole pages and what has arrived allow. A short fill is normal: a pipe has a slot per fragment of a
// message, whatever its length, so it can be full before its bytes are.
Receiver::Step Receiver::fill(CopyPool::Load& load, uint64_t bytes) noexcept {
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(bytes, load.capacity));
  bool waited = false;
  while (load.piped < wanted) {
    const auto moved = splice_bytes(socket_, load.pipe.write.get(), nullptr, wanted - load.piped);
    if (moved.ok() && moved.value() == 0) return Failure{Fault::hung_up, {0, ""}, current_->id, 0, 0};
    if (moved.ok()) {
      load.piped += moved.value();
      waited = false;
      continue;
    }
    if (moved.error().number != EAGAIN) return broken(moved.error());
    if (load.piped > 0 && load.piped % kPageSize == 0) return {};
    // There is data, so it is the pipe that is full, in the middle of a page.
    if (waited) return complete_page(load);
    const auto wake = wait_for(socket_, POLLIN, *cancel_);
    if (!wake.ok()) return system(wake.error());
    if (wake.value() == Wake::cancelled) return system({ECANCELED, "splice"});
    waited = true;
  }
  return {};
}

// CRIU splices whole pages, so this is for a peer that writes as it likes. The stores are left with whole pages in any case.
Receiver::Step Receiver::complete_page(CopyPool::Load& load) noexcept {
  const size_t missing = kPageSize - load.piped % kPageSize;
  if (Step failed = read_exactly(load.rest.data(), missing)) return failed;
  load.copied = missing;
  counters_.add(&Counters::bytes_user, missing);
  return {};
}

Receiver::Step Receiver::finish() noexcept {
  const auto drained = pool_->drain();
  // CRIU fails the dump and resumes the tree on anything that is not 0 (criu/page-xfer.c, disconnect_from_page_server()).
  if (!drained.ok()) {
    (void)answer(static_cast<int32_t>(-drained.error().number));
    return system(drained.error());
  }
  closed_ = true;
  return answer(int32_t{0});
}

Receiver::Step Receiver::read_exactly(void* to, size_t bytes) noexcept {
  for (size_t done = 0; done < bytes;) {
    const ssize_t n =
        retry_eintr([&] { return ::recv(socket_, static_cast<char*>(to) + done, bytes - done, MSG_DONTWAIT); });
    if (n == 0) return broken({ECONNRESET, "recv"});
    if (n > 0) {
      done += static_cast<size_t>(n);
      continue;
    }
    if (errno != EAGAIN) return broken({errno, "recv"});
    const auto wake = wait_for(socket_, POLLIN, *cancel_);
    if (!wake.ok()) return system(wake.error());
    if (wake.value() == Wake::cancelled) return system({ECANCELED, "recv"});
  }
  return {};
}

// In one piece: CRIU reads an answer with a single recv(). It always fits, because CRIU waits for one before it goes on.
template <typename T>
Receiver::Step Receiver::answer(T value) noexcept {
  const ssize_t n = retry_eintr([&] { return ::send(socket_, &value, sizeof value, MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (n == static_cast<ssize_t>(sizeof value)) return {};
  return broken({n == -1 ? errno : EIO, "send"});
}

Result<void> Receiver::dedup() noexcept {
  for (const Image& image : images_) {
    if (!image.has_parent) continue;
    if (auto selected = parents_.select(image.id, true); !selected.ok()) return selected;
    for (const PagemapEntry& run : image.map.entries()) {
      if ((run.flags & kPresent) == 0) continue;
      const auto punched = parents_.punch(run);
      if (!punched.ok()) return punched.error();
      counters_.add(&Counters::deduplicated_pages, punched.value());
    }
  }
  return {};
}

Result<void> Receiver::write_pagemaps(int directory) const noexcept {
  for (const Image& image : images_) {
    if (auto written = image.map.write(directory, image.id); !written.ok()) return written;
  }
  return {};
}

}  // namespace frazil::page
