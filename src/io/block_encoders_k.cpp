// The K types: 256 elements a block, whose sub-blocks have a scale (and a minimum) of few bits, in
// steps of the block's own.

#include <algorithm>
#include <array>

#include "base/every_isa.h"
#include "io/block_encoders.h"
#include "io/encoder_rows.h"
#include "io/packed_scales.h"

namespace assay {
namespace {

constexpr size_t kSuper = 256;

// Sub-block after sub-block, as codes are packed.
using Codes = std::array<uint8_t, kSuper>;

// One block: its sub-blocks in lanes, n elements each.
template <size_t n>
struct Super {
  static constexpr size_t kLanes = kSuper / n;

  const float* values;
  const float* importance;  // of its columns, or nullptr
  Columns<float, n, kLanes> x, w;
};

// Calls encode(block number) of every block with x loaded, and in w the importance where there is
// one.
template <size_t n, class Encode>
ASSAY_INLINE void for_each_super(const EncoderRows& rows, const Encode& encode) {
  Super<n> block{};
  for (size_t b = 0; b < rows.elements() / kSuper; ++b) {
    block.values = rows.values + b * kSuper;
    load_columns(block.values, Super<n>::kLanes, block.x);
    block.importance = nullptr;
    if (rows.importance != nullptr) {
      block.importance = rows.importance + b * kSuper % rows.length;
      load_columns(block.importance, Super<n>::kLanes, block.w);
    }
    encode(block, b);
  }
}

// w = v sqrt(sigma^2 + x^2) of the importance v in w; sigma^2 = factor * (mean square of the
// block).
template <size_t n>
ASSAY_INLINE void weigh_by_importance(float factor, Super<n>& block) {
  PerLane<float, Super<n>::kLanes> variance{};
  const float of_block = factor * sum_of_squares(block.values, kSuper) / static_cast<float>(kSuper);
  for (float& of_lane : variance.at) of_lane = of_block;
  weigh(block.x, variance, block.w);
}

template <size_t n, size_t lanes>
ASSAY_INLINE Columns<float, lanes, 1> weight_sums(const Columns<float, n, lanes>& w) {
  Columns<float, lanes, 1> sums{};
  for (size_t j = 0; j < lanes; ++j) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) sum += w.at[i][j];
    sums.at[j][0] = sum;
  }
  return sums;
}

template <size_t lanes>
ASSAY_INLINE Columns<float, lanes, 1> as_column(const PerLane<float, lanes>& values) {
  Columns<float, lanes, 1> column{};
  for (size_t j = 0; j < lanes; ++j) column.at[j][0] = values.at[j];
  return column;
}

// The first value of largest magnitude.
template <size_t lanes>
ASSAY_INLINE float largest(const PerLane<float, lanes>& values) {
  float most = 0;
  for (const float value : values.at) most = std::fabs(value) > std::fabs(most) ? value : most;
  return most;
}

// The codes again, with the scale and minimum that a reader will see: ni((x + minimum) / scale)
// within [least, most], stored from 0 on. Where the scale is 0 those of the fit stay.
template <size_t n, size_t lanes>
ASSAY_INLINE Codes requantized(const Columns<float, n, lanes>& x,
                               const PerLane<float, lanes>& scale,
                               const PerLane<float, lanes>& minimum, int least, int most,
                               Columns<int, n, lanes>& fitted) {
  for (size_t i = 0; i < n; ++i) {
#pragma omp simd
    for (size_t j = 0; j < lanes; ++j) {
      const float quotient = (x.at[i][j] + minimum.at[j]) / scale.at[j];
      const int code = nearest_within(quotient, least, most) - least;
      fitted.at[i][j] = scale.at[j] != 0 ? code : fitted.at[i][j];
    }
  }
  Codes codes;
  for (size_t j = 0; j < lanes; ++j) {
    for (size_t i = 0; i < n; ++i) codes[j * n + i] = static_cast<uint8_t>(fitted.at[i][j]);
  }
  return codes;
}

// Byte 32 h + l holds the low two bits of elements 128 h + l, + 32, + 64, + 96 from its low bits
// on.
ASSAY_INLINE void put_pairs_of_bits(const Codes& codes, std::byte* out) {
  for (size_t half = 0; half < kSuper; half += 128) {
    for (size_t l = 0; l < 32; ++l) {
      const uint8_t* c = codes.data() + half + l;
      out[half / 4 + l] = static_cast<std::byte>((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 |
                                                 (c[96] & 3) << 6);
    }
  }
}

// The scales and minima of a block's sub-blocks as multiples 0..top of d and dmin.
template <size_t lanes>
struct Steps {
  float d, dmin;
  std::array<ScaleAndMinimum, lanes> of_lane;
};

// Without weights: d = the largest / top.
template <size_t n, size_t lanes>
ASSAY_INLINE Steps<lanes> steps_of(const MinimumFit<n, lanes>& fit, int top) {
  const float levels = static_cast<float>(top);
  float scale = 0, minimum = 0;
  for (size_t j = 0; j < lanes; ++j) {
    scale = std::max(scale, fit.scale.at[j]);
    minimum = std::max(minimum, fit.minimum.at[j]);
  }
  const float to_scale = scale > 0 ? levels / scale : 0.0f;
  const float to_minimum = minimum > 0 ? levels / minimum : 0.0f;
  Steps<lanes> steps{scale / levels, minimum / levels, {}};
  for (size_t j = 0; j < lanes; ++j) {
    steps.of_lane[j] = {std::min(top, nearest(to_scale * fit.scale.at[j])),
                        std::min(top, nearest(to_minimum * fit.minimum.at[j]))};
  }
  return steps;
}

// With weights: FITPOS of both.
template <size_t n, size_t lanes>
ASSAY_INLINE Steps<lanes> fitted_steps(const MinimumFit<n, lanes>& fit,
                                       const Columns<float, n, lanes>& w, int top) {
  const auto sums = weight_sums(w);
  Columns<int, lanes, 1> scales{}, minima{};
  Steps<lanes> steps{};
  steps.d = fit_positive(as_column(fit.scale), sums, top, scales);
  steps.dmin = fit_positive(as_column(fit.minimum), sums, top, minima);
  for (size_t j = 0; j < lanes; ++j) steps.of_lane[j] = {scales.at[j][0], minima.at[j][0]};
  return steps;
}

// What a reader will see of them, d and dmin being halves.
template <size_t lanes>
ASSAY_INLINE void decoded_steps(const Steps<lanes>& steps, float d, float dmin,
                                PerLane<float, lanes>& scale, PerLane<float, lanes>& minimum) {
  for (size_t j = 0; j < lanes; ++j) {
    scale.at[j] = d * static_cast<float>(steps.of_lane[j].scale);
    minimum.at[j] = dmin * static_cast<float>(steps.of_lane[j].minimum);
  }
}

ASSAY_EVERY_ISA void encode_2_bits(const EncoderRows& rows, std::byte* out) {
  constexpr size_t n = 16;
  for_each_super<n>(
      rows, [&](Super<n> & block, size_t b) __attribute__((always_inline)) {
        MinimumFit<n, 16> fit{};
        Steps<16> steps{};
        if (block.importance == nullptr) {
          for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < 16; ++j) block.w.at[i][j] = std::fabs(block.x.at[i][j]);
          fit_minimum<ErrorMeasure::kAbsolute>(block.x, block.w, 3, {-0.5f, 0.1f, 15}, fit);
          steps = steps_of(fit, 15);
        } else {
          weigh_by_importance(1, block);
          fit_minimum<ErrorMeasure::kSquared>(block.x, block.w, 3, kWeightedSearch, fit);
          steps = fitted_steps(fit, block.w, 15);
        }
        std::byte* at = out + 84 * b;
        for (size_t j = 0; j < 16; ++j) {
          at[j] = static_cast<std::byte>(steps.of_lane[j].scale | steps.of_lane[j].minimum << 4);
        }
        const float d = put_half(at + 80, steps.d), dmin = put_half(at + 82, steps.dmin);
        PerLane<float, 16> scale{}, minimum{};
        decoded_steps(steps, d, dmin, scale, minimum);
        put_pairs_of_bits(requantized(block.x, scale, minimum, 0, 3, fit.code), at + 16);
      });
}

// Scales of 6 bits with a sign: multiples -32..31 of d.
struct SignedSteps {
  float d;
  std::array<int, 16> of_lane;
};

// The extreme scale becomes -32; without any all are, of a d of 0.
ASSAY_INLINE SignedSteps signed_steps_of(const PerLane<float, 16>& scales) {
  const float most = largest(scales);
  SignedSteps steps{};
  steps.of_lane.fill(-32);
  if (most == 0) return steps;
  const float inverse = -32.0f / most;
  steps.d = 1 / inverse;
  for (size_t j = 0; j < 16; ++j) {
    steps.of_lane[j] = nearest_within(inverse * scales.at[j], -32, 31);
  }
  return steps;
}

ASSAY_INLINE SignedSteps fitted_signed_steps(const PerLane<float, 16>& scales,
                                             const Columns<float, 16, 1>& weights) {
  SymmetricFit<16, 1> fit{};
  fit_symmetric(as_column(scales), weights, 32, fit);
  SignedSteps steps{fit.scale.at[0], {}};
  for (size_t j = 0; j < 16; ++j) steps.of_lane[j] = fit.code.at[j][0] - 32;
  return steps;
}

ASSAY_EVERY_ISA void encode_3_bits(const EncoderRows& rows, std::byte* out) {
  constexpr size_t n = 16;
  for_each_super<n>(
      rows, [&](Super<n> & block, size_t b) __attribute__((always_inline)) {
        SymmetricFit<n, 16> fit{};
        SignedSteps steps{};
        if (block.importance == nullptr) {
          fit_refined(block.x, fit);
          steps = signed_steps_of(fit.scale);
        } else {
          weigh_by_importance(2, block);
          fit_symmetric(block.x, block.w, 4, fit);
          steps = fitted_signed_steps(fit.scale, weight_sums(block.w));
        }
        std::byte* at = out + 110 * b;
        const float d = put_half(at + 108, steps.d);
        pack_q3_scales(steps.of_lane, at + 96);
        PerLane<float, 16> scale{};
        const PerLane<float, 16> no_minimum{};
        for (size_t j = 0; j < 16; ++j) scale.at[j] = d * static_cast<float>(steps.of_lane[j]);
        const Codes codes = requantized(block.x, scale, no_minimum, -4, 3, fit.code);
        for (size_t l = 0; l < 32; ++l) {
          int third = 0;
          for (size_t j = 0; j < 8; ++j) third |= (codes[32 * j + l] >> 2) << j;
          at[l] = static_cast<std::byte>(third);
        }
        put_pairs_of_bits(codes, at + 32);
      });
}

// Q4_K and Q5_K: {f16 d; f16 dmin; u8 scales[12]}, {u8 fifth[32]} of Q5_K, {u8 q[128]}.
template <int bits>
ASSAY_INLINE void encode_with_minima(const EncoderRows& rows, std::byte* out) {
  constexpr size_t n = 32, kCodes = bits == 5 ? 48 : 16, kBytes = kCodes + 128;
  constexpr int kTop = (1 << bits) - 1;
  constexpr MinimumSearch kSearch =
      bits == 5 ? MinimumSearch{-0.5f, 0.1f, 15} : MinimumSearch{-1.0f, 0.1f, 20};
  for_each_super<n>(
      rows, [&](Super<n> & block, size_t b) __attribute__((always_inline)) {
        MinimumFit<n, 8> fit{};
        Steps<8> steps{};
        if (block.importance == nullptr) {
          for (size_t j = 0; j < 8; ++j) {
            const float root = std::sqrt(sum_of_squares(block.values + j * n, n) / 32.0f);
            for (size_t i = 0; i < n; ++i) block.w.at[i][j] = root + std::fabs(block.x.at[i][j]);
          }
          fit_minimum<ErrorMeasure::kSquared>(block.x, block.w, kTop, kSearch, fit);
          steps = steps_of(fit, 63);
        } else {
          weigh_by_importance(2, block);
          fit_minimum<ErrorMeasure::kSquared>(block.x, block.w, kTop, kWeightedSearch, fit);
          steps = fitted_steps(fit, block.w, 63);
        }
        std::byte* at = out + kBytes * b;
        const float d = put_half(at, steps.d), dmin = put_half(at + 2, steps.dmin);
        pack_scales_and_minima(steps.of_lane, at + 4);
        PerLane<float, 8> scale{}, minimum{};
        decoded_steps(steps, d, dmin, scale, minimum);
        const Codes codes = requantized(block.x, scale, minimum, 0, kTop, fit.code);
        for (size_t l = 0; l < 32 && bits == 5; ++l) {
          int fifth = 0;
          for (size_t j = 0; j < 8; ++j) fifth |= (codes[32 * j + l] >> 4) << j;
          at[16 + l] = static_cast<std::byte>(fifth);
        }
        for (size_t pair = 0; pair < 4; ++pair) {
          const uint8_t* c = codes.data() + 64 * pair;
          for (size_t l = 0; l < 32; ++l) {
            at[kCodes + 32 * pair + l] =
                static_cast<std::byte>((c[l] & 15) | (c[l + 32] & 15) << 4);
          }
        }
      });
}

ASSAY_EVERY_ISA void encode_4_bits(const EncoderRows& rows, std::byte* out) {
  encode_with_minima<4>(rows, out);
}
ASSAY_EVERY_ISA void encode_5_bits(const EncoderRows& rows, std::byte* out) {
  encode_with_minima<5>(rows, out);
}

// {u8 low[128]; u8 high[64]}: of every 128 elements l, l + 32, l + 64, l + 96 four bits in the
// nibbles of low[l] and low[l + 32], two in high[l].
ASSAY_INLINE void put_6_bits(const Codes& codes, std::byte* out) {
  for (size_t half = 0; half < 2; ++half) {
    std::byte *low = out + 64 * half, *high = out + 128 + 32 * half;
    for (size_t l = 0; l < 32; ++l) {
      const uint8_t* c = codes.data() + 128 * half + l;
      low[l] = static_cast<std::byte>((c[0] & 15) | (c[64] & 15) << 4);
      low[l + 32] = static_cast<std::byte>((c[32] & 15) | (c[96] & 15) << 4);
      high[l] =
          static_cast<std::byte>(c[0] >> 4 | c[32] >> 4 << 2 | c[64] >> 4 << 4 | c[96] >> 4 << 6);
    }
  }
}

ASSAY_EVERY_ISA void encode_6_bits(const EncoderRows& rows, std::byte* out) {
  constexpr size_t n = 16, kBytes = 210;
  for_each_super<n>(
      rows, [&](Super<n> & block, size_t b) __attribute__((always_inline)) {
        SymmetricFit<n, 16> fit{};
        if (block.importance == nullptr) squares(block.x, block.w);
        fit_symmetric(block.x, block.w, 32, fit);
        std::byte* at = out + kBytes * b;
        const float most = largest(fit.scale);
        if (std::fabs(most) < kNearlyZero) {
          std::fill_n(at, kBytes, std::byte{0});
          return;
        }
        const float inverse = -128.0f / most;
        const float d = put_half(at + 208, 1 / inverse);
        PerLane<float, 16> scale{};
        const PerLane<float, 16> no_minimum{};
        for (size_t j = 0; j < 16; ++j) {
          const int step = std::min(127, nearest(inverse * fit.scale.at[j]));
          at[192 + j] = static_cast<std::byte>(step);
          scale.at[j] = d * static_cast<float>(step);
        }
        put_6_bits(requantized(block.x, scale, no_minimum, -32, 31, fit.code), at);
      });
}

}  // namespace

void encode_q2_k(const EncoderRows& rows, std::byte* out) { encode_2_bits(rows, out); }
void encode_q3_k(const EncoderRows& rows, std::byte* out) { encode_3_bits(rows, out); }
void encode_q4_k(const EncoderRows& rows, std::byte* out) { encode_4_bits(rows, out); }
void encode_q5_k(const EncoderRows& rows, std::byte* out) { encode_5_bits(rows, out); }
void encode_q6_k(const EncoderRows& rows, std::byte* out) { encode_6_bits(rows, out); }

}  // namespace assay
