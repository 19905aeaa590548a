#include "transfer/level.h"

#include <algorithm>
#include <cstring>

#include "page/zero_scan.h"
#include "sys/full_io.h"
#include "transfer/clock.h"
#include "transfer/emitter.h"
#include "transfer/holes.h"

namespace frazil::transfer {

using page::kPageSize;

Result<void> Level::open(page::Image& image) noexcept {
  const std::lock_guard lock(mutex_);
  Outgoing& outgoing = images_[&image];
  outgoing.image = &image;
  if (workers_.front().digester) {
    const uint64_t key = image_key(image.id);
    const auto before = before_.find(key);
    outgoing.before = before == before_.end() ? nullptr : &before->second;
    outgoing.table = &tables_[key];
  }
  order_.push_back(&outgoing);
  return {};
}

Result<void> Level::put(unsigned worker, const page::Payload& payload, page::Image& image) noexcept {
  // A pipe holds as much as a frame may, rounded to pages by the receiver; one of a larger machine is taken in several.
  auto& buffer = workers_[worker].buffer;
  Stretch stretch{&image, payload.offset, payload.vaddr, 0};
  size_t piped = payload.piped;
  size_t copied = 0;
  while (piped + payload.rest.size() - copied > 0) {
    const size_t from_pipe = std::min(piped, buffer.size());
    const uint64_t from = thread_cpu_ns();
    const auto got = read_full(payload.pipe, buffer.data(), from_pipe);
    add_read(thread_cpu_ns() - from);
    const bool whole = got.ok() && got.value() == from_pipe;
    if (!whole) {
      fail();
      return got.ok() ? SysError{EPIPE, "read"} : got.error();
    }
    const size_t by_hand = std::min(payload.rest.size() - copied, buffer.size() - from_pipe);
    std::memcpy(buffer.data() + from_pipe, payload.rest.data() + copied, by_hand);
    piped -= from_pipe;
    copied += by_hand;
    stretch.pages = (from_pipe + by_hand) / kPageSize;
    if (auto passed = pass(worker, stretch, stretch.pages); !passed.ok()) return passed;
    stretch.offset += stretch.pages * kPageSize;
    stretch.vaddr += stretch.pages * kPageSize;
  }
  return {};
}

Result<void> Level::pass(unsigned index, const Stretch& stretch, size_t read) noexcept {
  Worker& worker = workers_[index];
  Outgoing* outgoing;
  {
    const std::lock_guard lock(mutex_);
    outgoing = &images_.at(stretch.image);
  }
  Sorted sorted{std::vector<Fate>(read, stretch.left ? Fate::left : Fate::carried), {}};
  const uint64_t from = thread_cpu_ns();
  auto done = sort(worker, *outgoing, stretch, &sorted);
  counters_.add(&Counters::sort_ns, thread_cpu_ns() - from);
  if (done.ok()) {
    const auto first = commit(*outgoing, stretch, sorted);
    done = first.ok() ? emit(worker, stretch, sorted, first.value()) : Result<void>(first.error());
  }
  if (!done.ok()) fail();
  return done;
}

void Level::leave(const Stretch& stretch) noexcept {
  {
    const std::lock_guard lock(mutex_);
    Outgoing& outgoing = images_.at(stretch.image);
    outgoing.next_page += stretch.pages;
    outgoing.committed += stretch.pages * kPageSize;
  }
  counters_.add(&Counters::pages_in, stretch.pages);
  counters_.add(&Counters::left_pages, stretch.pages);
  committed_.notify_all();
}

void Level::fail() noexcept {
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
  }
  committed_.notify_all();
}

// What is to become of each page that was read.
Result<void> Level::sort(Worker& worker, const Outgoing& outgoing, const Stretch& stretch, Sorted* sorted) noexcept {
  const size_t read = sorted->fates.size();
  for (size_t at = 0; at < read;) {
    const auto run = page::first_run(std::span(worker.buffer.data() + at * kPageSize, (read - at) * kPageSize));
    if (run.zero && !stretch.left)
      std::fill_n(sorted->fates.begin() + static_cast<ptrdiff_t>(at), run.pages, Fate::zero);
    at += run.pages;
  }
  if (!worker.digester) return {};
  sorted->digests.reserve(read);
  for (size_t i = 0; i < read; ++i) {
    const std::span<const std::byte> bytes(worker.buffer.data() + i * kPageSize, kPageSize);
    const auto digest = sorted->fates[i] == Fate::zero ? worker.digester->of_zeros() : worker.digester->of(bytes);
    if (!digest.ok()) return digest.error();
    sorted->digests.push_back(digest.value());
    const PageDigest* had = outgoing.before == nullptr ? nullptr : outgoing.before->find(stretch.vaddr + i * kPageSize);
    if (had != nullptr && *had == digest.value()) sorted->fates[i] = Fate::same;
  }
  return {};
}

// The place in the pages file of the first page that has one. Waits until everything before has its place.
Result<uint64_t> Level::commit(Outgoing& outgoing, const Stretch& stretch, const Sorted& sorted) noexcept {
  std::unique_lock lock(mutex_);
  committed_.wait(lock, [&] { return failed_ || outgoing.committed == stretch.offset; });
  if (failed_) return SysError{ECANCELED, "sendmsg"};
  const uint64_t first = outgoing.next_page;
  const page::PagemapEntry all{stretch.vaddr, sorted.fates.size(), page::kPresent};
  if (maps_ == Maps::filled && all.pages > 0) (void)outgoing.image->map.append(all);
  for (size_t i = 0; i < sorted.fates.size(); ++i) {
    const uint64_t vaddr = stretch.vaddr + i * kPageSize;
    if (outgoing.table != nullptr) outgoing.table->append(vaddr, sorted.digests[i]);
    if (sorted.fates[i] != Fate::same) {
      ++outgoing.next_page;
    } else if (!outgoing.same.empty() && outgoing.same.back().end() == vaddr) {
      ++outgoing.same.back().pages;
    } else {
      outgoing.same.push_back({vaddr, 1, page::kParent});
    }
  }
  outgoing.committed += stretch.pages * kPageSize;
  lock.unlock();
  committed_.notify_all();
  return first;
}

Result<void> Level::emit(Worker& worker, const Stretch& stretch, const Sorted& sorted, uint64_t place) noexcept {
  const auto& fates = sorted.fates;
  Emitter emitter(worker, counters_, *cancel_);
  counters_.add(&Counters::pages_in, fates.size());
  SentPage first{image_key(stretch.image->id), stretch.vaddr, number_, place};
  for (size_t at = 0; at < fates.size();) {
    const auto from = fates.begin() + static_cast<ptrdiff_t>(at);
    const auto pages =
        static_cast<size_t>(std::find_if(from, fates.end(), [&](Fate fate) { return fate != *from; }) - from);
    Result<void> sent;
    if (*from == Fate::same) counters_.add(&Counters::same_pages, pages);
    if (*from == Fate::left) counters_.add(&Counters::left_pages, pages);
    if (*from == Fate::zero) sent = emitter.zeros(first, pages);
    if (*from == Fate::carried)
      sent = emitter.carry(first, std::span(worker.buffer.data() + at * kPageSize, pages * kPageSize));
    if (!sent.ok()) return sent;
    at += pages;
    first.vaddr += pages * kPageSize;
    if (*from != Fate::same) first.place += pages;
  }
  return {};
}

Result<void> Level::finish(int directory, const Cancel& cancel) noexcept {
  follow(cancel);
  for (const Outgoing* outgoing : order_) {
    if (auto sent = send_map(*outgoing, directory, cancel); !sent.ok()) return sent;
  }
  for (Worker& worker : workers_) {
    const FrameHead head{static_cast<uint32_t>(FrameKind::barrier), number_, 0, 0, 0, 0};
    if (auto sent = Emitter(worker, counters_, cancel).send(head, {}); !sent.ok()) return sent;
  }
  return {};
}

// All on the first stream: there they keep their order.
Result<void> Level::send_map(const Outgoing& outgoing, int directory, const Cancel& cancel) noexcept {
  const page::PagemapWriter map = with_holes(outgoing.image->map, outgoing.same);
  const page::ImageId& id = outgoing.image->id;
  const auto& entries = map.entries();
  Emitter emitter(workers_.front(), counters_, cancel);
  size_t at = 0;
  do {
    std::vector<MapEntry> some;
    const size_t end = std::min(entries.size(), at + kMaxMapEntries);
    for (; at < end; ++at) some.push_back({entries[at].vaddr, entries[at].pages, entries[at].flags, 0});
    const auto body = std::as_writable_bytes(std::span(some));
    const FrameHead head{static_cast<uint32_t>(FrameKind::map), number_, image_key(id), 0, 0,
                         static_cast<uint32_t>(body.size())};
    if (auto sent = emitter.send(head, body); !sent.ok()) return sent;
  } while (at < entries.size());
  if (directory < 0) return {};
  return map.write(directory, id);
}

}  // namespace frazil::transfer
