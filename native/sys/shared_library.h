#pragma once

#include <dlfcn.h>

#include <cerrno>
#include <utility>

#include "core/result.h"

namespace frazil {

// A library that is looked for when it is needed, so that a machine without it still loads the addon. Its functions may be called
// for as long as the object lives.
class SharedLibrary {
 public:
  // ELIBACC when the loader finds no such library, or cannot load it.
  static Result<SharedLibrary> open(const char* name) noexcept {
    void* handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return SysError{ELIBACC, "dlopen"};
    return SharedLibrary(handle);
  }

  SharedLibrary(SharedLibrary&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  SharedLibrary& operator=(SharedLibrary&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~SharedLibrary() {
    if (handle_ != nullptr) (void)::dlclose(handle_);
  }

  // False when it is not there: a library that is older than what we need.
  template <typename Function>
  bool find(const char* symbol, Function*& function) const noexcept {
    function = reinterpret_cast<Function*>(::dlsym(handle_, symbol));
    return function != nullptr;
  }

 private:
  explicit SharedLibrary(void* handle) noexcept : handle_(handle) {}

  void* handle_;
};

}  // namespace frazil
