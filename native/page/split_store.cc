#include "page/split_store.h"

#include <algorithm>
#include <numeric>

#include "core/thread.h"
#include "page/image_file.h"
#include "page/payload.h"
#include "sys/full_io.h"

namespace frazil::page {
namespace {

// Reopens only when the image changes: there may be thousands of them.
class LastFile {
 public:
  explicit LastFile(int directory) noexcept : directory_(directory) {}

  Result<int> of(const Image& image) noexcept {
    if (image_ != &image) {
      auto file = reopen_image_file(directory_, pages_name(image.map.pages_id()));
      if (!file.ok()) return file.error();
      file_ = std::move(file).value();
      image_ = &image;
    }
    return file_.get();
  }

 private:
  int directory_;
  const Image* image_ = nullptr;
  UniqueFd file_;
};

// Work for the second processor.
template <typename Body>
void both(const char* name, Body& other, Body& own) noexcept {
  auto thread = Thread::spawn(name, other);
  own();
  if (!thread.ok()) other();
}

struct Step {
  std::function<Result<void>()> body;
  Result<void> outcome{};
  void operator()() noexcept { outcome = body(); }
};

}  // namespace

SplitStore::SplitStore(int directory, const SplitOptions& options, Counters& counters) noexcept
    : directory_(directory),
      counters_(counters),
      files_(directory, options.first_pages_id, counters),
      absorber_({.workers = options.workers, .backing = PageBacking::small}, counters),
      written_(options.workers) {}

Result<void> SplitStore::prepare(std::span<const uint64_t> expected, const Cancel& cancel) noexcept {
  const uint64_t half[] = {std::accumulate(expected.begin(), expected.end(), uint64_t{0}) / 2};
  Step absorber{[&] { return absorber_.prepare(half, cancel); }};
  Step files{[&] { return files_.make(expected, cancel); }};
  both("frazil-touch", absorber, files);
  const Result<void>& outcome = absorber.outcome.ok() ? files.outcome : absorber.outcome;
  // Another store may take its place, and would not know of them.
  if (!outcome.ok()) files_.discard();
  return outcome;
}

Result<void> SplitStore::open(Image& image) noexcept {
  auto file = files_.open(image);
  if (!file.ok()) return file.error();
  image.pages = std::move(file).value();
  images_.push_back(&image);
  return absorber_.ready();
}

Result<void> SplitStore::rest() noexcept {
  for (; rested_ < images_.size(); ++rested_) {
    UniqueFd& file = images_[rested_]->pages;
    if (auto kept = check_written(file.get()); !kept.ok()) return kept;
    file.reset();
  }
  return {};
}

Result<void> SplitStore::put(unsigned worker, const Payload& payload, Image& image) noexcept {
  std::unique_lock turn(writing_, std::defer_lock);
  if (!absorber_.is_ready_for(worker, payload.bytes())) {
    turn.lock();
  } else if (!turn.try_lock()) {
    return absorber_.put(worker, payload, image);
  }
  if (auto written = write_payload(payload, image.pages.get(), payload.offset); !written.ok()) return written;
  turn.unlock();
  counters_.add(&Counters::bytes_out, payload.bytes());
  note(written_[worker], payload, image);
  return {};
}

void SplitStore::note(std::vector<Written>& done, const Payload& payload, const Image& image) noexcept {
  Written* const last = done.empty() ? nullptr : &done.back();
  if (last != nullptr && last->image == &image && last->offset + last->bytes == payload.offset) {
    last->bytes += payload.bytes();
  } else {
    done.push_back({&image, payload.offset, payload.bytes()});
  }
}

Result<void> SplitStore::settle(const Cancel& cancel) noexcept {
  if (auto rested = rest(); !rested.ok()) return rested;
  Zeros absorbed;
  Zeros zeros;
  Step searching{[&] { return search_written(zeros, cancel); }};
  Step writing{[&] { return write_absorbed(absorbed, cancel); }};
  both("frazil-zeros", searching, writing);
  if (!writing.outcome.ok()) return writing.outcome;
  if (!searching.outcome.ok()) return searching.outcome;
  for (auto& [image, found] : absorbed) zeros[image].insert(zeros[image].end(), found.begin(), found.end());
  if (auto trimmed = files_.trim(images_); !trimmed.ok()) return trimmed;
  if (auto punched = punch(zeros); !punched.ok()) return punched;
  images_.clear();
  rested_ = 0;
  return {};
}

// Where zeros are absorbed the file may have been made with zeros or not at all; both read as zeros, and are punched alike.
Result<void> SplitStore::write_absorbed(Zeros& zeros, const Cancel& cancel) noexcept {
  LastFile file(directory_);
  const auto write = [&](Image& image, uint64_t offset, std::span<const std::byte> pages) noexcept -> Result<void> {
    const auto fd = file.of(image);
    if (!fd.ok()) return fd.error();
    return write_between_zeros(fd.value(), offset, pages, counters_, &zeros[&image]);
  };
  return absorber_.drain(write, cancel);
}

Result<void> SplitStore::search_written(Zeros& zeros, const Cancel& cancel) noexcept {
  constexpr uint64_t kBetweenCancels = uint64_t{16} << 20;
  LastFile file(directory_);
  for (const auto& of_worker : written_) {
    for (const Written& part : of_worker) {
      const auto fd = file.of(*part.image);
      if (!fd.ok()) return fd.error();
      for (uint64_t done = 0; done < part.bytes; done += kBetweenCancels) {
        if (cancel.cancelled()) return SysError{ECANCELED, "pread"};
        const uint64_t bytes = std::min(kBetweenCancels, part.bytes - done);
        const auto found = find_zeros(fd.value(), part.offset + done, bytes, counters_, &zeros[part.image]);
        if (!found.ok()) return found;
      }
    }
  }
  return {};
}

Result<void> SplitStore::punch(Zeros& zeros) noexcept {
  LastFile file(directory_);
  for (const Image* image : images_) {
    const auto fd = file.of(*image);
    if (!fd.ok()) return fd.error();
    if (auto punched = punch_zeros(fd.value(), image->bytes, zeros[image], counters_); !punched.ok()) return punched;
    if (auto kept = check_written(fd.value()); !kept.ok()) return kept;
  }
  return {};
}

}  // namespace frazil::page
