#include "page/page_buffers.h"

#include <sys/mman.h>

#include <cerrno>

namespace frazil::page {

void PageBuffers::Unmap::operator()(std::byte* memory) const noexcept { (void)::munmap(memory, kBytes); }

Result<PageBuffers::Lent> PageBuffers::borrow() noexcept {
  {
    const std::lock_guard guard(mutex_);
    if (!free_.empty()) {
      Memory last = std::move(free_.back());
      free_.pop_back();
      return Lent(*this, std::move(last));
    }
  }
  void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return SysError{errno, "mmap"};
  return Lent(*this, Memory(static_cast<std::byte*>(memory)));
}

void PageBuffers::give_back(Memory memory) noexcept {
  const std::lock_guard guard(mutex_);
  free_.push_back(std::move(memory));
}

}  // namespace frazil::page
