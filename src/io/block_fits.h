#pragma once
// The fits of a scale, or of a scale and a minimum, to a sub-block that the encoders of ggml's
// types share. Sub-blocks are fitted side by side, one a lane, so that loops over lanes become
// vector instructions; within a lane every sum is plain float32 in index order and every product
// goes from left to right, as in the reference encoder, so the bits are its bits.
//
// x is what is encoded, w the weights of the squared errors, l the integer codes. Of a lane that is
// (nearly) zero throughout the scale and all codes are 0.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace assay {

#define ASSAY_INLINE [[gnu::always_inline]] inline

// Element i of lane j at [i][j].
template <class T, size_t n, size_t lanes>
struct Columns {
  alignas(64) T at[n][lanes];
};
template <class T, size_t lanes>
struct PerLane {
  alignas(64) T at[lanes];
};

inline constexpr float kNearlyZero = 1e-15f;

// Half to even. Of magnitudes beyond 2^22, which only a quotient by almost 0 reaches, what the
// reference's way of rounding makes.
ASSAY_INLINE int nearest(float value) {
  return (std::bit_cast<int32_t>(value + 12582912.0f) & 0x7fffff) - 0x400000;
}
ASSAY_INLINE int nearest_within(float value, int least, int most) {
  return std::max(least, std::min(most, nearest(value)));
}

// The element of largest magnitude, with its sign; the first of equals.
template <size_t n, size_t lanes>
ASSAY_INLINE PerLane<float, lanes> extremes(const Columns<float, n, lanes>& x) {
  PerLane<float, lanes> extreme{};
#pragma omp simd
  for (size_t j = 0; j < lanes; ++j) {
    float value = 0, magnitude = 0;
    for (size_t i = 0; i < n; ++i) {
      const float candidate = x.at[i][j], size = std::fabs(candidate);
      const bool is_larger = size > magnitude;
      value = is_larger ? candidate : value;
      magnitude = is_larger ? size : magnitude;
    }
    extreme.at[j] = value;
  }
  return extreme;
}

// A = sum w x l and B = sum w l^2 of codes l within [-levels, levels - 1]: the best scale for them
// is A / B, and it takes A^2 / B off the squared error.
template <size_t lanes>
struct Sums {
  PerLane<float, lanes> a, b;
};
template <size_t n, size_t lanes>
ASSAY_INLINE void sums_of(const Columns<float, n, lanes>& x, const Columns<float, n, lanes>& w,
                          const PerLane<float, lanes>& inverse, int levels, Sums<lanes>& sums) {
#pragma omp simd
  for (size_t j = 0; j < lanes; ++j) {
    float a = 0, b = 0;
    for (size_t i = 0; i < n; ++i) {
      const int code = nearest_within(inverse.at[j] * x.at[i][j], -levels, levels - 1);
      const float l = static_cast<float>(code);
      a += w.at[i][j] * x.at[i][j] * l;
      b += w.at[i][j] * l * l;
    }
    sums.a.at[j] = a;
    sums.b.at[j] = b;
  }
}

template <size_t n, size_t lanes>
struct SymmetricFit {
  PerLane<float, lanes> scale;
  Columns<int, n, lanes> code;  // l + levels: 0 .. 2 * levels - 1
};

// FITSYM: x ~ scale * l. The inverse scale that takes the extreme element to -levels, then 18 near
// it; the one whose codes leave the least error.
template <size_t n, size_t lanes>
ASSAY_INLINE void fit_symmetric(const Columns<float, n, lanes>& x,
                                const Columns<float, n, lanes>& w, int levels,
                                SymmetricFit<n, lanes>& fit) {
  const float top = static_cast<float>(levels);
  const auto extreme = extremes(x);
  PerLane<float, lanes> inverse{}, tried{}, best{};
  Sums<lanes> sums{};
  for (size_t j = 0; j < lanes; ++j) inverse.at[j] = -top / extreme.at[j];
  sums_of(x, w, inverse, levels, sums);
  for (size_t j = 0; j < lanes; ++j) {
    fit.scale.at[j] = sums.b.at[j] != 0 ? sums.a.at[j] / sums.b.at[j] : 0.0f;
    best.at[j] = fit.scale.at[j] * sums.a.at[j];
  }
  for (int s = -9; s <= 9; ++s) {
    if (s == 0) continue;
    const float numerator = -(top + 0.1f * static_cast<float>(s));
    for (size_t j = 0; j < lanes; ++j) tried.at[j] = numerator / extreme.at[j];
    sums_of(x, w, tried, levels, sums);
#pragma omp simd
    for (size_t j = 0; j < lanes; ++j) {
      const float a = sums.a.at[j], b = sums.b.at[j], scale = a / b;
      const bool is_better = (b > 0) & (a * a > best.at[j] * b);
      fit.scale.at[j] = is_better ? scale : fit.scale.at[j];
      best.at[j] = is_better ? scale * a : best.at[j];
      inverse.at[j] = is_better ? tried.at[j] : inverse.at[j];
    }
  }
  for (size_t j = 0; j < lanes; ++j) {
    const bool is_zero = std::fabs(extreme.at[j]) < kNearlyZero;
    if (is_zero) fit.scale.at[j] = 0;
    for (size_t i = 0; i < n; ++i) {
      const int code = nearest_within(inverse.at[j] * x.at[i][j], -levels, levels - 1) + levels;
      fit.code.at[i][j] = is_zero ? 0 : code;
    }
  }
}

// Whether B of the other codes must be positive for a code to be changed beside them.
enum class OtherCodes { kAny, kNotAllZero };

// The refinement of FITQ3 and FITPOS: five times, each code in turn is set to what is best beside
// the others, within [least, most], where that lessens the error.
template <OtherCodes others, size_t n, size_t lanes>
ASSAY_INLINE void refine_codes(const Columns<float, n, lanes>& x, const Columns<float, n, lanes>& w,
                               int least, int most, Sums<lanes>& sums,
                               Columns<int, n, lanes>& code) {
  for (int round = 0; round < 5; ++round) {
    for (size_t i = 0; i < n; ++i) {
#pragma omp simd
      for (size_t j = 0; j < lanes; ++j) {
        const float a = sums.a.at[j], b = sums.b.at[j], l = static_cast<float>(code.at[i][j]);
        const float wx = w.at[i][j] * x.at[i][j];
        const float a_rest = a - wx * l, b_rest = b - w.at[i][j] * l * l;
        const int tried = nearest_within(x.at[i][j] * b_rest / a_rest, least, most);
        const float t = static_cast<float>(tried);
        const float a_tried = a_rest + wx * t, b_tried = b_rest + w.at[i][j] * t * t;
        const bool is_free = others == OtherCodes::kAny || b_rest > 0;
        const bool is_better = (a_rest > 0) & is_free & (tried != code.at[i][j]) & (b_tried > 0) &
                               (a_tried * a_tried * b > a * a * b_tried);
        code.at[i][j] = is_better ? tried : code.at[i][j];
        sums.a.at[j] = is_better ? a_tried : a;
        sums.b.at[j] = is_better ? b_tried : b;
      }
    }
  }
}

// FITQ3: x ~ scale * l, l within [-4, 3], weights x^2, refined code by code.
template <size_t n, size_t lanes>
ASSAY_INLINE void fit_refined(const Columns<float, n, lanes>& x, SymmetricFit<n, lanes>& fit) {
  constexpr int kLevels = 4;
  Columns<float, n, lanes> w{};
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < lanes; ++j) w.at[i][j] = x.at[i][j] * x.at[i][j];
  const auto extreme = extremes(x);
  PerLane<float, lanes> inverse{};
  for (size_t j = 0; j < lanes; ++j) inverse.at[j] = -static_cast<float>(kLevels) / extreme.at[j];
  Sums<lanes> sums{};
  sums_of(x, w, inverse, kLevels, sums);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < lanes; ++j)
      fit.code.at[i][j] = nearest_within(inverse.at[j] * x.at[i][j], -kLevels, kLevels - 1);
  refine_codes<OtherCodes::kAny>(x, w, -kLevels, kLevels - 1, sums, fit.code);
  for (size_t j = 0; j < lanes; ++j) {
    const bool is_zero = std::fabs(extreme.at[j]) < kNearlyZero;
    const bool has_scale = !is_zero && sums.b.at[j] > 0;
    fit.scale.at[j] = has_scale ? sums.a.at[j] / sums.b.at[j] : 0.0f;
    for (size_t i = 0; i < n; ++i) fit.code.at[i][j] = is_zero ? 0 : fit.code.at[i][j] + kLevels;
  }
}

// FITPOS: x ~ scale * l of non-negative x, l within [0, top]; x and w of one lane. Used for the
// scales and minima of sub-blocks themselves.
template <size_t n>
ASSAY_INLINE float fit_positive(const Columns<float, n, 1>& x, const Columns<float, n, 1>& w,
                                int top, Columns<int, n, 1>& code) {
  float most = 0;
  for (size_t i = 0; i < n; ++i) most = std::max(most, x.at[i][0]);
  if (most < kNearlyZero) {
    for (size_t i = 0; i < n; ++i) code.at[i][0] = 0;
    return 0;
  }
  const auto code_at = [&](float inverse, size_t i) {
    return std::min(top, nearest(inverse * x.at[i][0]));
  };
  float best_inverse = 0, least_error = 0;
  for (int s = 0; s <= 8; ++s) {  // 0, then -4 .. 4 without 0
    const int step = s == 0 ? 0 : s <= 4 ? s - 5 : s - 4;
    const float inverse = (0.1f * static_cast<float>(step) + static_cast<float>(top)) / most;
    const float scale = 1 / inverse;
    float error = 0;
    for (size_t i = 0; i < n; ++i) {
      const float difference = x.at[i][0] - scale * static_cast<float>(code_at(inverse, i));
      error += w.at[i][0] * difference * difference;
    }
    if (s == 0 || error < least_error) {
      best_inverse = inverse;
      least_error = error;
    }
  }
  Sums<1> sums{};
  for (size_t i = 0; i < n; ++i) {
    code.at[i][0] = code_at(best_inverse, i);
    const float l = static_cast<float>(code.at[i][0]);
    sums.a.at[0] += w.at[i][0] * x.at[i][0] * l;
    sums.b.at[0] += w.at[i][0] * l * l;
  }
  refine_codes<OtherCodes::kNotAllZero>(x, w, 0, top, sums, code);
  return sums.b.at[0] > 0 ? sums.a.at[0] / sums.b.at[0] : 0.0f;
}

template <size_t n, size_t lanes>
struct MinimumFit {
  PerLane<float, lanes> scale, minimum;  // x ~ scale * l - minimum, minimum >= 0
  Columns<int, n, lanes> code;           // 0 .. top
};

// Inverse scales that FITMIN tries: (first + step * s + top) / (highest - lowest), s = 0 .. last.
struct MinimumSearch {
  float first, step;
  int last;
};

// What all types try with an importance matrix.
inline constexpr MinimumSearch kWeightedSearch{-0.9f, 0.05f, 36};

enum class ErrorMeasure { kAbsolute, kSquared };

template <ErrorMeasure measure>
ASSAY_INLINE float measured(float difference) {
  return measure == ErrorMeasure::kAbsolute ? std::fabs(difference) : difference * difference;
}

// Sums of w l, w l^2 and w l x of the codes l of (inverse, lowest).
template <size_t lanes>
struct LineSums {
  PerLane<float, lanes> l, l2, xl;
};
template <size_t n, size_t lanes>
ASSAY_INLINE void line_sums(const Columns<float, n, lanes>& x, const Columns<float, n, lanes>& w,
                            const PerLane<float, lanes>& inverse,
                            const PerLane<float, lanes>& lowest, int top, LineSums<lanes>& sums) {
#pragma omp simd
  for (size_t j = 0; j < lanes; ++j) {
    float sum_l = 0, sum_l2 = 0, sum_xl = 0;
    for (size_t i = 0; i < n; ++i) {
      const int code = nearest_within(inverse.at[j] * (x.at[i][j] - lowest.at[j]), 0, top);
      const float l = static_cast<float>(code), wl = w.at[i][j] * l;
      sum_l += wl;
      sum_l2 += wl * l;
      sum_xl += wl * x.at[i][j];
    }
    sums.l.at[j] = sum_l;
    sums.l2.at[j] = sum_l2;
    sums.xl.at[j] = sum_xl;
  }
}

// The weighted error of scale * l + low, l the codes of (inverse, lowest).
template <ErrorMeasure measure, size_t n, size_t lanes>
ASSAY_INLINE void line_error(const Columns<float, n, lanes>& x, const Columns<float, n, lanes>& w,
                             const PerLane<float, lanes>& inverse,
                             const PerLane<float, lanes>& lowest, int top,
                             const PerLane<float, lanes>& scale, const PerLane<float, lanes>& low,
                             PerLane<float, lanes>& error) {
#pragma omp simd
  for (size_t j = 0; j < lanes; ++j) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) {
      const int code = nearest_within(inverse.at[j] * (x.at[i][j] - lowest.at[j]), 0, top);
      const float difference = scale.at[j] * static_cast<float>(code) + low.at[j] - x.at[i][j];
      sum += w.at[i][j] * measured<measure>(difference);
    }
    error.at[j] = sum;
  }
}

// The least and the largest element, the sums of w and of w x.
template <size_t lanes>
struct Range {
  PerLane<float, lanes> lowest, highest, sum_w, sum_x;
};
template <size_t n, size_t lanes>
ASSAY_INLINE void range_of(const Columns<float, n, lanes>& x, const Columns<float, n, lanes>& w,
                           Range<lanes>& range) {
#pragma omp simd
  for (size_t j = 0; j < lanes; ++j) {
    float low = x.at[0][j], high = x.at[0][j], total = w.at[0][j], weighted = total * x.at[0][j];
    for (size_t i = 1; i < n; ++i) {
      low = x.at[i][j] < low ? x.at[i][j] : low;
      high = x.at[i][j] > high ? x.at[i][j] : high;
      total += w.at[i][j];
      weighted += w.at[i][j] * x.at[i][j];
    }
    range.lowest.at[j] = low;
    range.highest.at[j] = high;
    range.sum_w.at[j] = total;
    range.sum_x.at[j] = weighted;
  }
}

// FITMIN: x ~ scale * l + lowest, l within [0, top], lowest <= 0. Codes of an inverse scale, then
// the scale and lowest value that are best for them (least squares), kept when the error is less.
// Later tries start from the lowest value that was kept.
template <ErrorMeasure measure, size_t n, size_t lanes>
ASSAY_INLINE void fit_minimum(const Columns<float, n, lanes>& x, const Columns<float, n, lanes>& w,
                              int top, const MinimumSearch& search, MinimumFit<n, lanes>& fit) {
  const float levels = static_cast<float>(top);
  Range<lanes> range{};
  PerLane<float, lanes> lowest{}, start{}, inverse{}, error{}, tried_inverse{}, scale{}, low{},
      tried_error{};
  range_of(x, w, range);
  for (size_t j = 0; j < lanes; ++j) {
    lowest.at[j] = start.at[j] = std::min(range.lowest.at[j], 0.0f);
    inverse.at[j] = levels / (range.highest.at[j] - lowest.at[j]);
    fit.scale.at[j] = 1 / inverse.at[j];
  }
  const auto first_lowest = lowest;
  line_error<measure>(x, w, inverse, lowest, top, fit.scale, lowest, error);
  LineSums<lanes> sums{};
  for (int s = 0; s <= search.last; ++s) {
    const float numerator = search.first + search.step * static_cast<float>(s) + levels;
    for (size_t j = 0; j < lanes; ++j) {
      tried_inverse.at[j] = numerator / (range.highest.at[j] - lowest.at[j]);
    }
    line_sums(x, w, tried_inverse, lowest, top, sums);
#pragma omp simd
    for (size_t j = 0; j < lanes; ++j) {
      const float l = sums.l.at[j], l2 = sums.l2.at[j], xl = sums.xl.at[j];
      const float sum_w = range.sum_w.at[j], sum_x = range.sum_x.at[j];
      const float determinant = sum_w * l2 - l * l;
      const float line_scale = (sum_w * xl - sum_x * l) / determinant;
      const float line_low = (l2 * sum_x - l * xl) / determinant, through_zero = xl / l2;
      const bool is_above_zero = line_low > 0;
      scale.at[j] = is_above_zero ? through_zero : line_scale;
      const float kept_low = is_above_zero ? 0.0f : line_low;
      low.at[j] = determinant > 0 ? kept_low : INFINITY;  // never better
    }
    line_error<measure>(x, w, tried_inverse, lowest, top, scale, low, tried_error);
#pragma omp simd
    for (size_t j = 0; j < lanes; ++j) {
      const bool is_better = tried_error.at[j] < error.at[j];
      error.at[j] = is_better ? tried_error.at[j] : error.at[j];
      fit.scale.at[j] = is_better ? scale.at[j] : fit.scale.at[j];
      inverse.at[j] = is_better ? tried_inverse.at[j] : inverse.at[j];
      start.at[j] = is_better ? lowest.at[j] : start.at[j];
      lowest.at[j] = is_better ? low.at[j] : lowest.at[j];
    }
  }
  for (size_t j = 0; j < lanes; ++j) {
    const bool is_flat = range.highest.at[j] <= first_lowest.at[j];
    if (is_flat) fit.scale.at[j] = 0;
    fit.minimum.at[j] = -lowest.at[j];
    for (size_t i = 0; i < n; ++i) {
      const int code = nearest_within(inverse.at[j] * (x.at[i][j] - start.at[j]), 0, top);
      fit.code.at[i][j] = is_flat ? 0 : code;
    }
  }
}

}  // namespace assay
