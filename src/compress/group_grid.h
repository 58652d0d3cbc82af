#pragma once
// The grid of one group of the scalar quantizer (compress/scalar_quantizer.h has its formulas), for
// loops that quantize weight by weight.

#include <algorithm>
#include <span>

#include "compress/scalar_quantizer.h"

namespace assay {

struct GroupGrid {
  float scale = 1, zero = 0;
};

// Error(kBadInput) where float32 cannot divide the range of the values into steps.
GroupGrid fit_group(std::span<const float> values, const QuantizerConfig& config);

// 2^bits - 1
float max_code_of(const QuantizerConfig& config);

// Half to even for |x| < 2^22, which every x / scale is (adding 1.5 * 2^23 leaves no fraction
// bits); it vectorizes.
inline float round_half_even(float x) {
  constexpr float kShift = 12582912.0f;
  return (x + kShift) - kShift;
}

inline float code_of(float x, GroupGrid grid, float max_code) {
  return std::min(std::max(round_half_even(x / grid.scale) + grid.zero, 0.0f), max_code);
}

inline float value_of(float code, GroupGrid grid) { return grid.scale * (code - grid.zero); }

}  // namespace assay
