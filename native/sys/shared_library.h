#pragma once

#include <dlfcn.h>

#include <cerrno>
#include <utility>

#include "core/result.h"

namespace frazil {

// The node program exports the functions of its own zlib (and, from Node 22 on, zstd). A library that calls itself through the loader
// would end up there, with another idea of its own structs. Sanitizers refuse this flag, and their tests are not run by Node.
#if defined(RTLD_DEEPBIND) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
constexpr int kOwnNamesFirst = RTLD_DEEPBIND;
#else
constexpr int kOwnNamesFirst = 0;
#endif

// A library that is looked for when it is needed, so that a machine without it still loads the addon. Its functions may be called
// for as long as the object lives.
class SharedLibrary {
 public:
  // ELIBACC when the loader finds no such library, or cannot load it.
  static Result<SharedLibrary> open(const char* name) noexcept {
    void* handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL | kOwnNamesFirst);
    if (handle == nullptr) return SysError{ELIBACC, "dlopen"};
    return SharedLibrary(handle);
  }
  // What the program itself has, and its libraries.
  static Result<SharedLibrary> of_process() noexcept {
    void* handle = ::dlopen(nullptr, RTLD_NOW);
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
