#pragma once

namespace frazil::transfer {

// A mean that forgets slowly; 0 before the first value.
inline void learn(double* mean, double value) noexcept {
  constexpr double kForget = 0.125;
  *mean = *mean == 0 ? value : *mean + kForget * (value - *mean);
}

}  // namespace frazil::transfer
