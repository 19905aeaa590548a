#include "page/pagemap_json.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <string>
#include <string_view>

#include "page/pagemap_reader.h"
#include "page/wire.h"
#include "sys/retry.h"
#include "sys/wait_for.h"

namespace frazil::page {
namespace {

// Large enough that the system calls do not show, small enough for a processor's cache.
constexpr size_t kFlushBytes = size_t{256} << 10;

// Each as pb2dict prints it. `pages` is a uint32 in the schema; protobuf keeps the lower half of what is longer.
enum class Kind : uint8_t { number, address, count32, boolean, flags };
struct Column {
  std::string_view name;
  Kind kind;
};
constexpr Column kHead[] = {{}, {"pages_id", Kind::count32}};
constexpr Column kEntry[] = {{},
                             {"vaddr", Kind::address},
                             {"compat_nr_pages", Kind::count32},
                             {"in_parent", Kind::boolean},
                             {"flags", Kind::flags},
                             {"nr_pages", Kind::number}};
struct Flag {
  uint32_t bit;
  std::string_view name;
};
constexpr Flag kFlags[] = {{kParent, "PE_PARENT"}, {kLazy, "PE_LAZY"}, {kPresent, "PE_PRESENT"}};

class Printer {
 public:
  Printer(int out, JsonForm form, const Cancel& cancel, uint64_t* written) noexcept
      : out_(out), form_(form), cancel_(cancel), written_(written) {
    text_.reserve(kFlushBytes + 4096);
  }

  void begin() {
    text_ +=
        pretty() ? "{\n    \"magic\": \"PAGEMAP\",\n    \"entries\": [" : "{\"magic\": \"PAGEMAP\", \"entries\": [";
  }
  void end() { text_ += !pretty() ? "]}" : first_ ? "]\n}" : "\n    ]\n}"; }

  template <size_t N>
  void message(const Column (&columns)[N], const PagemapFields& fields) {
    text_ += pretty() ? (first_ ? "\n        {" : ",\n        {") : (first_ ? "{" : ", {");
    first_ = false;
    bool empty = true;
    for (size_t i = 1; i < N; ++i) {
      if (!fields[i]) continue;
      text_ += pretty() ? (empty ? "\n            \"" : ",\n            \"") : (empty ? "\"" : ", \"");
      text_ += columns[i].name;
      text_ += "\": ";
      value(columns[i].kind, *fields[i]);
      empty = false;
    }
    text_ += pretty() && !empty ? "\n        }" : "}";
  }

  Result<void> flush(size_t at_least) noexcept {
    if (text_.size() < at_least) return {};
    for (std::string_view rest = text_; !rest.empty();) {
      // A pipe that nobody reads must not keep us from hearing a cancel; a regular file is always ready.
      const auto wake = wait_for(out_, POLLOUT, cancel_);
      if (!wake.ok()) return wake.error();
      if (wake.value() == Wake::cancelled) return SysError{ECANCELED, "write"};
      // At most what a pipe that polls as writable takes for sure: a blocking write of more would wait for its reader.
      const ssize_t n = retry_eintr([&] { return ::write(out_, rest.data(), std::min(rest.size(), step_)); });
      if (n == -1 && errno != EAGAIN) return SysError{errno, "write"};
      if (n <= 0) continue;
      rest.remove_prefix(static_cast<size_t>(n));
      *written_ += static_cast<uint64_t>(n);
    }
    text_.clear();
    return {};
  }

  // How much one write may be.
  void step(size_t bytes) noexcept { step_ = bytes; }

 private:
  bool pretty() const noexcept { return form_ == JsonForm::pretty; }

  void number(uint64_t value, int base) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
    text_.append(digits, end);
  }

  void value(Kind kind, uint64_t value) {
    switch (kind) {
      case Kind::boolean:
        text_ += value != 0 ? "true" : "false";
        return;
      case Kind::address:
        if (!pretty()) return number(value, 10);
        text_ += "\"0x";
        number(value, 16);
        text_ += '"';
        return;
      case Kind::flags:
        return pretty() ? names(static_cast<uint32_t>(value)) : number(static_cast<uint32_t>(value), 10);
      case Kind::count32:
        return number(static_cast<uint32_t>(value), 10);
      case Kind::number:
        return number(value, 10);
    }
  }

  void names(uint32_t flags) {
    text_ += '"';
    bool empty = true;
    const auto separate = [&] {
      if (!empty) text_ += " | ";
      empty = false;
    };
    for (const Flag& flag : kFlags) {
      if ((flags & flag.bit) == 0) continue;
      separate();
      text_ += flag.name;
    }
    if (const uint32_t rest = flags & ~kKnownFlags; rest != 0) {
      separate();
      text_ += "0x";
      number(rest, 16);
    }
    text_ += '"';
  }

  int out_;
  JsonForm form_;
  const Cancel& cancel_;
  uint64_t* written_;
  std::string text_;
  size_t step_ = kFlushBytes;
  bool first_ = true;
};

ImageFault to_fault(SysError error) { return {.flaw = Flaw::system, .error = error}; }

}  // namespace

std::optional<ImageFault> print_pagemap(int image, int out, JsonForm form, const Cancel& cancel,
                                        uint64_t* written) noexcept {
  *written = 0;
  PagemapReader reader(image);
  PagemapFields fields;
  if (!reader.head(&fields)) return reader.fault();
  Printer printer(out, form, cancel, written);
  struct stat status;
  if (::fstat(out, &status) == -1) return to_fault({errno, "fstat"});
  if (!S_ISREG(status.st_mode)) printer.step(PIPE_BUF);
  printer.begin();
  printer.message(kHead, fields);
  while (reader.next(&fields)) {
    printer.message(kEntry, fields);
    if (auto flushed = printer.flush(kFlushBytes); !flushed.ok()) return to_fault(flushed.error());
  }
  if (reader.fault()) return reader.fault();
  printer.end();
  if (auto flushed = printer.flush(0); !flushed.ok()) return to_fault(flushed.error());
  return {};
}

}  // namespace frazil::page
