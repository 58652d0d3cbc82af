#pragma once
// What the encoders share: sub-blocks side by side in lanes, their weights, and how halves and
// nibbles are written.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "io/block_encoders.h"
#include "io/block_fits.h"
#include "io/small_floats.h"

namespace assay {

ASSAY_INLINE void put_u16(std::byte* at, uint16_t value) { std::memcpy(at, &value, sizeof value); }
// Returns what a reader will see.
ASSAY_INLINE float put_half(std::byte* at, float value) {
  const uint16_t half = float_to_half(value);
  put_u16(at, half);
  return half_to_float(half);
}

// Sub-blocks of n consecutive values, one a lane; lanes from `present` on are zero.
template <size_t n, size_t lanes>
ASSAY_INLINE void load_columns(const float* values, size_t present, Columns<float, n, lanes>& x) {
  for (size_t j = 0; j < lanes; ++j) {
    for (size_t i = 0; i < n; ++i) x.at[i][j] = j < present ? values[j * n + i] : 0.0f;
  }
}

template <size_t n, size_t lanes>
ASSAY_INLINE void squares(const Columns<float, n, lanes>& x, Columns<float, n, lanes>& w) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < lanes; ++j) w.at[i][j] = x.at[i][j] * x.at[i][j];
  }
}

ASSAY_INLINE float sum_of_squares(const float* values, size_t count) {
  float sum = 0;
  for (size_t i = 0; i < count; ++i) sum += values[i] * values[i];
  return sum;
}

// w = v sqrt(sigma^2 + x^2), from v in w.
template <size_t n, size_t lanes>
ASSAY_INLINE void weigh(const Columns<float, n, lanes>& x, const PerLane<float, lanes>& variance,
                        Columns<float, n, lanes>& w) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < lanes; ++j) {
      w.at[i][j] *= std::sqrt(variance.at[j] + x.at[i][j] * x.at[i][j]);
    }
  }
}

// 4 bytes: the fifth bits of 32 codes.
ASSAY_INLINE void put_fifth_bits(const uint8_t* code, std::byte* out) {
  uint32_t fifth = 0;
  for (size_t i = 0; i < 32; ++i) fifth |= static_cast<uint32_t>(code[i] >> 4) << i;
  std::memcpy(out, &fifth, sizeof fifth);
}

// 16 bytes: codes 0-15 in the low nibbles, 16-31 in the high ones.
ASSAY_INLINE void put_nibbles(const uint8_t* code, std::byte* out) {
  for (size_t i = 0; i < 16; ++i) {
    out[i] = static_cast<std::byte>((code[i] & 15) | (code[i + 16] & 15) << 4);
  }
}

}  // namespace assay
