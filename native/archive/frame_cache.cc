#include "archive/frame_cache.h"

namespace frazil::archive {

FrameCache::Content FrameCache::touch(Order::iterator kept) noexcept {
  order_.splice(order_.begin(), order_, kept);
  return kept->content;
}

FrameCache::Content FrameCache::find(uint64_t at) noexcept {
  const std::lock_guard guard(mutex_);
  const auto place = places_.find(at);
  return place == places_.end() ? nullptr : touch(place->second);
}

Result<FrameCache::Content> FrameCache::get(uint64_t at, size_t bytes, const Make& make) noexcept {
  {
    std::unique_lock held(mutex_);
    for (auto place = places_.find(at); place != places_.end(); place = places_.find(at)) {
      if (place->second->content != nullptr) return touch(place->second);
      // When it could not be made it is gone, and is tried again: the error is everybody's own.
      made_.wait(held);
    }
    order_.push_front({at, nullptr});
    places_.emplace(at, order_.begin());
  }
  auto content = std::make_shared<std::vector<std::byte>>(bytes);
  const auto done = make(*content);
  settle(at, done.ok() ? content : nullptr);
  if (!done.ok()) return done.error();
  return Content(std::move(content));
}

// Nobody but its maker takes out what is being made.
void FrameCache::settle(uint64_t at, Content content) noexcept {
  const std::lock_guard guard(mutex_);
  const auto place = places_.find(at);
  if (content == nullptr) {
    order_.erase(place->second);
    places_.erase(place);
  } else {
    bytes_ += content->size();
    place->second->content = std::move(content);
  }
  for (auto last = order_.end(); bytes_ > most_bytes_ && last != order_.begin();) {
    --last;
    if (last->content == nullptr || last->at == at) continue;
    bytes_ -= last->content->size();
    places_.erase(last->at);
    last = order_.erase(last);
  }
  made_.notify_all();
}

uint64_t FrameCache::bytes() const noexcept {
  const std::lock_guard guard(mutex_);
  return bytes_;
}

}  // namespace frazil::archive
