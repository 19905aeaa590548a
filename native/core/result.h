#pragma once

#include <cstdlib>
#include <optional>
#include <utility>
#include <variant>

namespace frazil {

// A failed system call: its errno and its own name (a string literal). It carries no sentence: TypeScript, which knows
// what was attempted, writes that.
struct SysError {
  int number;
  const char* op;
};

// A value or the system call that failed. We compile with -fno-exceptions, so asking for the half that is not there is
// a bug and ends the process.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) noexcept : state_(std::in_place_index<0>, std::move(value)) {}
  Result(SysError error) noexcept : state_(std::in_place_index<1>, error) {}

  bool ok() const noexcept { return state_.index() == 0; }
  T& value() & noexcept { return *held(std::get_if<0>(&state_)); }
  const T& value() const& noexcept { return *held(std::get_if<0>(&state_)); }
  T value() && noexcept { return std::move(*held(std::get_if<0>(&state_))); }
  SysError error() const noexcept { return *held(std::get_if<1>(&state_)); }

 private:
  template <typename P>
  static P* held(P* part) noexcept {
    if (part == nullptr) std::abort();
    return part;
  }

  std::variant<T, SysError> state_;
};

// Success without a value: `return {};`.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() noexcept = default;
  Result(SysError error) noexcept : error_(error) {}

  bool ok() const noexcept { return !error_.has_value(); }
  SysError error() const noexcept {
    if (!error_) std::abort();
    return *error_;
  }

 private:
  std::optional<SysError> error_;
};

}  // namespace frazil
