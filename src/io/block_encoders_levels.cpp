// The 4-bit types whose levels stand in a table.

#include <algorithm>
#include <array>
#include <utility>

#include "base/every_isa.h"
#include "io/block_encoders.h"
#include "io/block_levels.h"
#include "io/encoder_rows.h"

namespace assay {
namespace {

constexpr size_t kBlock = 32;
constexpr size_t kLanes = 8;  // blocks of IQ4, or sub-blocks of IQ4_XS, side by side

// Between level i and i + 1 of IQ4, in its steps. A value there is the upper one.
constexpr std::array<float, 15> kMidpoints = [] {
  std::array<float, 15> between{};
  for (size_t i = 0; i < 15; ++i) between[i] = (kIq4Levels[i] + kIq4Levels[i + 1]) / 2;
  return between;
}();

// One comparison a midpoint, spelled out: a loop inside the loops over lanes keeps them scalar.
template <size_t... i>
ASSAY_INLINE float nearest_level(float value, std::index_sequence<i...>) {
  float level = kIq4Levels[0];
  ((level = value >= kMidpoints[i] ? kIq4Levels[i + 1] : level), ...);
  return level;
}
ASSAY_INLINE float nearest_level(float value) {
  return nearest_level(value, std::make_index_sequence<15>());
}

template <size_t... i>
ASSAY_INLINE int nearest_code(float value, std::index_sequence<i...>) {
  return (0 + ... + (value >= kMidpoints[i] ? 1 : 0));
}

using Lane = PerLane<float, kLanes>;
using Block = Columns<float, kBlock, kLanes>;

// A = sum w K x and B = sum w K^2 of the levels K nearest to inverse * x.
ASSAY_INLINE void level_sums(const Block& x, const Block& w, const Lane& inverse,
                             Sums<kLanes>& sums) {
#pragma omp simd
  for (size_t j = 0; j < kLanes; ++j) {
    float a = 0, b = 0;
    for (size_t i = 0; i < kBlock; ++i) {
      const float level = nearest_level(inverse.at[j] * x.at[i][j]);
      a += w.at[i][j] * level * x.at[i][j];
      b += w.at[i][j] * level * level;
    }
    sums.a.at[j] = a;
    sums.b.at[j] = b;
  }
}

// The scale of every lane: FITSYM with the table's levels. The extreme element becomes the lowest
// level, mirrored at first, then one of 15 values around it.
ASSAY_INLINE void fit_levels(const Block& x, const Block& w, Lane& scale) {
  const auto extreme = extremes(x);
  Lane inverse, best;
  Sums<kLanes> sums{};
  for (size_t j = 0; j < kLanes; ++j) inverse.at[j] = 1 / (-extreme.at[j] / kIq4Levels[0]);
  level_sums(x, w, inverse, sums);
  for (size_t j = 0; j < kLanes; ++j) {
    scale.at[j] = sums.b.at[j] > 0 ? sums.a.at[j] / sums.b.at[j] : 0.0f;
    best.at[j] = scale.at[j] * sums.a.at[j];
  }
  for (int s = -7; s <= 7; ++s) {
    const float numerator = static_cast<float>(s) + kIq4Levels[0];
    for (size_t j = 0; j < kLanes; ++j) inverse.at[j] = numerator / extreme.at[j];
    level_sums(x, w, inverse, sums);
#pragma omp simd
    for (size_t j = 0; j < kLanes; ++j) {
      const float a = sums.a.at[j], b = sums.b.at[j], tried = a / b;
      const bool is_better = (b > 0) & (a * a > best.at[j] * b);
      scale.at[j] = is_better ? tried : scale.at[j];
      best.at[j] = is_better ? tried * a : best.at[j];
    }
  }
  for (size_t j = 0; j < kLanes; ++j) {
    if (std::fabs(extreme.at[j]) < kNearlyZero) scale.at[j] = 0;
  }
}

// Eight blocks of 32 from `first` on, or what is left of them: loaded and weighed. sigma^2 is twice
// the mean square of `of` elements: the block's own, or all of the super-block that the eight are.
ASSAY_INLINE void load_weighed(const EncoderRows& rows, size_t first, size_t present, size_t of,
                               Block& x, Block& w) {
  const float* values = rows.values + first * kBlock;
  load_columns(values, present, x);
  if (rows.importance == nullptr) {
    squares(x, w);
    return;
  }
  Lane variance{};
  w = Block{};
  for (size_t j = 0; j < present; ++j) {
    variance.at[j] =
        sum_of_squares(values + j * kBlock / of * of, of) * (2.0f / static_cast<float>(of));
    const float* v = rows.importance + (first + j) * kBlock % rows.length;
    for (size_t i = 0; i < kBlock; ++i) w.at[i][j] = v[i];
  }
  weigh(x, variance, w);
}

ASSAY_INLINE void put_level_codes(const float* x, float inverse, std::byte* out) {
  uint8_t code[kBlock];
#pragma omp simd
  for (size_t i = 0; i < kBlock; ++i) {
    code[i] = static_cast<uint8_t>(nearest_code(inverse * x[i], std::make_index_sequence<15>()));
  }
  put_nibbles(code, out);
}

// {f16 d; u8 q[16]}: the codes are those of the float32 scale.
ASSAY_EVERY_ISA void encode_levels(const EncoderRows& rows, std::byte* out) {
  const size_t blocks = rows.elements() / kBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const size_t present = std::min(kLanes, blocks - first);
    Block x, w;
    Lane scale;
    load_weighed(rows, first, present, kBlock, x, w);
    fit_levels(x, w, scale);
    for (size_t j = 0; j < present; ++j) {
      std::byte* at = out + 18 * (first + j);
      put_half(at, scale.at[j]);
      put_level_codes(rows.values + (first + j) * kBlock, scale.at[j] != 0 ? 1 / scale.at[j] : 0.0f,
                      at + 2);
    }
  }
}

// {f16 d; u16 high; u8 low[4]; u8 q[128]}: the sub-blocks' scales are multiples -32..31 of d, the
// extreme one -32; the codes are those of the float32 d.
ASSAY_EVERY_ISA void encode_scaled_levels(const EncoderRows& rows, std::byte* out) {
  for (size_t b = 0; b < rows.elements() / (kLanes * kBlock); ++b, out += 136) {
    Block x, w;
    Lane scale;
    load_weighed(rows, b * kLanes, kLanes, kLanes * kBlock, x, w);
    fit_levels(x, w, scale);
    float most = 0;
    for (const float s : scale.at) most = std::fabs(s) > std::fabs(most) ? s : most;
    const float d = -most / 32, inverse = d != 0 ? 1 / d : 0.0f;
    put_half(out, d);
    std::fill_n(out + 4, 4, std::byte{0});
    int high = 0;
    for (size_t j = 0; j < kLanes; ++j) {
      const int multiple = nearest_within(inverse * scale.at[j], -32, 31), stored = multiple + 32;
      const float step = d * static_cast<float>(multiple);
      put_level_codes(rows.values + (b * kLanes + j) * kBlock, step != 0 ? 1 / step : 0.0f,
                      out + 8 + 16 * j);
      out[4 + j / 2] |= static_cast<std::byte>((stored & 15) << (4 * (j % 2)));
      high |= (stored >> 4) << (2 * j);
    }
    put_u16(out + 2, static_cast<uint16_t>(high));
  }
}

// The codes of n values: the nearest of scale * E2M1 level, the lower code on ties (so that 0 is
// code 0). half_scale is half of it, the table's levels being doubled.
template <size_t n>
ASSAY_INLINE void nearest_e2m1(const float* x, float half_scale, uint8_t* code) {
  int best[n];
  float least[n];
  for (size_t i = 0; i < n; ++i) {
    best[i] = 0;
    least[i] = std::fabs(kTwiceE2m1[0] * half_scale - x[i]);
  }
  for (int c = 1; c < 16; ++c) {
    const float level = kTwiceE2m1[static_cast<size_t>(c)] * half_scale;
#pragma omp simd
    for (size_t i = 0; i < n; ++i) {
      const float error = std::fabs(level - x[i]);
      const bool is_nearer = error < least[i];
      best[i] = is_nearer ? c : best[i];
      least[i] = is_nearer ? error : least[i];
    }
  }
  for (size_t i = 0; i < n; ++i) code[i] = static_cast<uint8_t>(best[i]);
}

template <size_t n>
ASSAY_INLINE float largest_magnitude(const float* x) {
  float most = 0;
  for (size_t i = 0; i < n; ++i) most = std::fabs(x[i]) > most ? std::fabs(x[i]) : most;
  return most;
}

// {u8 e; u8 q[16]}: 2^(e - 127) takes the largest magnitude into [4, 8), E2M1's last binade.
ASSAY_EVERY_ISA void encode_microscaled(const EncoderRows& rows, std::byte* out) {
  for (size_t b = 0; b < rows.elements() / kBlock; ++b, out += 17) {
    const float* x = rows.values + b * kBlock;
    const float most = largest_magnitude<kBlock>(x);
    const int exponent =
        most > 0 ? std::max(0, static_cast<int>(std::floor(std::log2(most))) - 2 + 127) : 0;
    out[0] = static_cast<std::byte>(exponent);
    uint8_t code[kBlock];
    nearest_e2m1<kBlock>(x, std::ldexp(1.0f, exponent - 128), code);
    put_nibbles(code, out + 1);
  }
}

// {u8 d[4]; u8 q[32]}: sub-blocks of 16 with a scale each, an E4M3 float without sign; byte 8 s + j
// of q holds elements j and j + 8 of sub-block s.
ASSAY_EVERY_ISA void encode_four_bit_floats(const EncoderRows& rows, std::byte* out) {
  constexpr size_t n = 16;
  for (size_t b = 0; b < rows.elements() / (4 * n); ++b, out += 36) {
    for (size_t s = 0; s < 4; ++s) {
      const float* x = rows.values + (4 * b + s) * n;
      const uint8_t d = float_to_unsigned_e4m3(largest_magnitude<n>(x) / 6.0f);
      out[s] = static_cast<std::byte>(d);
      uint8_t code[n];
      nearest_e2m1<n>(x, unsigned_e4m3_to_float(d) * 0.5f, code);
      for (size_t j = 0; j < 8; ++j) {
        out[4 + 8 * s + j] = static_cast<std::byte>(code[j] | code[j + 8] << 4);
      }
    }
  }
}

}  // namespace

void encode_iq4_nl(const EncoderRows& rows, std::byte* out) { encode_levels(rows, out); }
void encode_iq4_xs(const EncoderRows& rows, std::byte* out) { encode_scaled_levels(rows, out); }
void encode_mxfp4(const EncoderRows& rows, std::byte* out) { encode_microscaled(rows, out); }
void encode_nvfp4(const EncoderRows& rows, std::byte* out) { encode_four_bit_floats(rows, out); }

}  // namespace assay
