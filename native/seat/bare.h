// What the launcher has instead of a C library. In a virtual machine the start of glibc takes 0.7 ms: it asks the processor for its caches by
// `cpuid`, again and again, and each time is an exit to the hypervisor. All the rest of the launcher takes 0.1 ms. So on x86_64 it has an
// entry point of its own and calls the kernel itself (the build defines FRAZIL_BARE, and leaves the libraries out); elsewhere, where no such
// thing is known, it is an ordinary program.

#pragma once

#include <fcntl.h>
#include <linux/limits.h>
#include <linux/stat.h>

#include <cerrno>
#include <cstddef>
#include <string_view>

namespace frazil::bare {

/// A system call; a failure is its errno, negative.
long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) noexcept;

[[noreturn]] void exit(int status) noexcept;

/// Text on standard error.
void say(std::string_view text) noexcept;

/// Zeroed memory for so many pointers, never given back: what comes next is another program. Null when there is none.
char** pointers(size_t count) noexcept;

/// Fills `buffer` from the beginning of a file; how much there was, or a failure.
long read_file(const char* path, char* buffer, size_t size) noexcept;

/// Which file it is; false when there is none.
bool look_at(const char* path, struct statx& file) noexcept;

/// A path as it is put together. One that is too long for the kernel is empty: there is no such file.
class Path {
 public:
  Path() noexcept = default;
  Path& operator+=(std::string_view more) noexcept;
  /// Without what follows its first `length` characters.
  void cut(size_t length) noexcept;
  [[nodiscard]] const char* c_str() const noexcept { return text_; }
  [[nodiscard]] char* data() noexcept { return text_; }
  [[nodiscard]] std::string_view view() const noexcept { return {text_, length_}; }

 private:
  char text_[PATH_MAX] = {};
  size_t length_ = 0;
  bool whole_ = true;
};

}  // namespace frazil::bare

/// The program: what it returns is its status.
int launch(int argc, char** argv, char** environment) noexcept;
