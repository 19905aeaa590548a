// See bare.h.

#include "seat/bare.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#ifdef FRAZIL_BARE

// The kernel gives a program its arguments on the stack: their number, then the pointers, a null, the environment, a null.
asm(R"(
  .globl _start
_start:
  xor %ebp, %ebp
  mov %rsp, %rdi
  and $-16, %rsp
  call frazil_start
  hlt
)");

extern "C" [[noreturn]] void frazil_start(char** stack) noexcept;
extern "C" void frazil_start(char** stack) noexcept {
  const long count = *reinterpret_cast<long*>(stack);
  char** arguments = stack + 1;
  frazil::bare::exit(launch(static_cast<int>(count), arguments, arguments + count + 1));
}

// What compilers call without being told to.
extern "C" {
void* memcpy(void* to, const void* from, size_t size) noexcept {
  void* begin = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return begin;
}
void* memset(void* to, int value, size_t size) noexcept {
  void* begin = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
  return begin;
}
int memcmp(const void* left, const void* right, size_t size) noexcept {
  const auto* a = static_cast<const unsigned char*>(left);
  const auto* b = static_cast<const unsigned char*>(right);
  for (size_t i = 0; i < size; ++i)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}
void* memchr(const void* in, int value, size_t size) noexcept {
  const auto* bytes = static_cast<const unsigned char*>(in);
  for (size_t i = 0; i < size; ++i)
    if (bytes[i] == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(bytes + i);
  return nullptr;
}
size_t strlen(const char* text) noexcept {
  size_t length = 0;
  // Not a loop that a compiler would turn into a call of this.
  while (*static_cast<const volatile char*>(text + length) != 0) ++length;
  return length;
}
}

namespace frazil::bare {

long call(long number, long a, long b, long c, long d, long e) noexcept {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = 0;
  long answer = number;
  asm volatile("syscall" : "+a"(answer) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return answer;
}

}  // namespace frazil::bare

#else

#include <unistd.h>

int main(int argc, char** argv) { return launch(argc, argv, environ); }

namespace frazil::bare {

long call(long number, long a, long b, long c, long d, long e) noexcept {
  const long answer = ::syscall(number, a, b, c, d, e, 0L);
  return answer == -1 ? -static_cast<long>(errno) : answer;
}

}  // namespace frazil::bare

#endif

namespace frazil::bare {
namespace {

long address(const void* pointer) noexcept { return reinterpret_cast<long>(pointer); }

}  // namespace

void exit(int status) noexcept {
  for (;;) call(SYS_exit_group, status);
}

void say(std::string_view text) noexcept {
  // Nobody could be told that this failed.
  (void)call(SYS_write, 2, address(text.data()), static_cast<long>(text.size()));
}

char** pointers(size_t count) noexcept {
  const auto size = static_cast<long>(count * sizeof(char*));
  const long memory = call(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  return memory < 0 && memory > -4096 ? nullptr : reinterpret_cast<char**>(memory);
}

long read_file(const char* path, char* buffer, size_t size) noexcept {
  const long file = call(SYS_openat, AT_FDCWD, address(path), O_RDONLY | O_CLOEXEC);
  if (file < 0) return file;
  size_t filled = 0;
  long got = 0;
  while (filled < size && (got = call(SYS_read, file, address(buffer + filled), static_cast<long>(size - filled))) > 0)
    filled += static_cast<size_t>(got);
  (void)call(SYS_close, file);
  return got < 0 ? got : static_cast<long>(filled);
}

bool look_at(const char* path, struct statx& file) noexcept {
  return call(SYS_statx, AT_FDCWD, address(path), 0, STATX_TYPE | STATX_INO, address(&file)) == 0;
}

Path& Path::operator+=(std::string_view more) noexcept {
  whole_ = whole_ && more.size() < sizeof text_ - length_;
  if (!whole_) {
    cut(0);
    return *this;
  }
  for (const char each : more) text_[length_++] = each;
  text_[length_] = 0;
  return *this;
}

void Path::cut(size_t length) noexcept {
  length_ = length;
  text_[length] = 0;
}

}  // namespace frazil::bare
