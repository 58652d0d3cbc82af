#include "kernels/elementwise.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/exp.h"

namespace assay::kernels {
namespace {

// Calls fn(first, last) for blocks of [0, count), in parallel.
template <class Fn>
void in_blocks(int64_t count, int64_t block, const Fn& fn) {
  parallel_for((count + block - 1) / block,
               [&](int64_t i) { fn(i * block, std::min(count, (i + 1) * block)); });
}

// Eight chains, lane i over elements i, i + 8, ...; then the lanes, in order.
float sum_lanes(const std::array<float, 8>& lane) {
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

float sum_of_squares_portable(const float* x, int64_t n) {
  std::array<float, 8> lane{};
  for (int64_t i = 0; i < n; ++i)
    lane[static_cast<size_t>(i % 8)] = std::fma(x[i], x[i], lane[static_cast<size_t>(i % 8)]);
  return sum_lanes(lane);
}

void scale_portable(const float* x, const float* weight, float scale, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = weight[i] * (x[i] * scale);
}

float sum_portable(const float* x, int64_t n) {
  std::array<float, 8> lane{};
  for (int64_t i = 0; i < n; ++i) lane[static_cast<size_t>(i % 8)] += x[i];
  return sum_lanes(lane);
}

float activated(Activation activation, float x) {
  switch (activation) {
    case Activation::kSilu:
      return x / (1.0f + exp_float(-x));
    case Activation::kGeluTanh:
      return x / (1.0f + exp_float(-(kGeluFactor * (x * (1.0f + kGeluCube * (x * x))))));
    case Activation::kGelu:
      return 0.5f * x * (1.0f + std::erf(x * 0.70710678f));
    case Activation::kRelu:
      return x < 0 ? 0.0f : x;  // NaN stays
  }
  return x;
}

void activate_portable(Activation activation, float* x, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    x[i] = activated(activation, x[i]);
    if (up != nullptr) x[i] *= up[i];
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) float sum_of_squares_avx2(const float* x, int64_t n) {
  __m256 sum = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_loadu_ps(x + i);
    sum = _mm256_fmadd_ps(v, v, sum);
  }
  std::array<float, 8> lane{};
  _mm256_storeu_ps(lane.data(), sum);
  for (; i < n; ++i)
    lane[static_cast<size_t>(i % 8)] = std::fma(x[i], x[i], lane[static_cast<size_t>(i % 8)]);
  return sum_lanes(lane);
}

__attribute__((target("avx2,fma"))) void scale_avx2(const float* x, const float* weight,
                                                    float scale, int64_t n, float* y) {
  const __m256 s = _mm256_set1_ps(scale);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_loadu_ps(weight + i),
                                          _mm256_mul_ps(_mm256_loadu_ps(x + i), s)));
  }
  scale_portable(x + i, weight + i, scale, n - i, y + i);
}

__attribute__((target("avx2,fma"))) float sum_avx2(const float* x, int64_t n) {
  __m256 sum = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) sum = _mm256_add_ps(sum, _mm256_loadu_ps(x + i));
  std::array<float, 8> lane{};
  _mm256_storeu_ps(lane.data(), sum);
  for (; i < n; ++i) lane[static_cast<size_t>(i % 8)] += x[i];
  return sum_lanes(lane);
}

// SiLU and GELU's tanh form, x / (1 + exp(-argument)), eight at a time: as activate_portable, to
// the bit. `up` may be null.
template <bool kIsGelu>
__attribute__((target("avx2,fma"))) void sigmoid_times_avx2(float* x, const float* up, int64_t n) {
  const __m256 one = _mm256_set1_ps(1.0f), sign = _mm256_set1_ps(-0.0f);
  const __m256 factor = _mm256_set1_ps(kGeluFactor), cube = _mm256_set1_ps(kGeluCube);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_loadu_ps(x + i);
    __m256 argument = v;
    if constexpr (kIsGelu) {
      const __m256 grown = _mm256_add_ps(one, _mm256_mul_ps(cube, _mm256_mul_ps(v, v)));
      argument = _mm256_mul_ps(factor, _mm256_mul_ps(v, grown));
    }
    const __m256 denominator = _mm256_add_ps(one, exp_avx2(_mm256_xor_ps(argument, sign)));
    __m256 y = _mm256_div_ps(v, denominator);
    if (up != nullptr) y = _mm256_mul_ps(y, _mm256_loadu_ps(up + i));
    _mm256_storeu_ps(x + i, y);
  }
  activate_portable(kIsGelu ? Activation::kGeluTanh : Activation::kSilu, x + i,
                    up == nullptr ? nullptr : up + i, n - i);
}
#endif

}  // namespace

void rms_norm(const float* x, int64_t num_rows, std::span<const float> weight, double eps, float* y,
              Isa isa) {
  const auto n = static_cast<int64_t>(weight.size());
  in_blocks(num_rows, 64, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const float* row = x + r * n;
#if defined(__x86_64__)
      const bool vector = isa != Isa::kPortable;
      const float squares = vector ? sum_of_squares_avx2(row, n) : sum_of_squares_portable(row, n);
#else
      const bool vector = false;
      const float squares = sum_of_squares_portable(row, n);
#endif
      const auto scale = static_cast<float>(
          1.0 / std::sqrt(static_cast<double>(squares) / static_cast<double>(n) + eps));
#if defined(__x86_64__)
      if (vector) {
        scale_avx2(row, weight.data(), scale, n, y + r * n);
        continue;
      }
#endif
      scale_portable(row, weight.data(), scale, n, y + r * n);
    }
  });
}

void layer_norm(const float* x, int64_t num_rows, std::span<const float> weight,
                std::span<const float> bias, double eps, float* y, Isa isa) {
  const auto n = static_cast<int64_t>(weight.size());
  const auto sum = [&](const float* row) {
#if defined(__x86_64__)
    if (isa != Isa::kPortable) return sum_avx2(row, n);
#endif
    return sum_portable(row, n);
  };
  const auto squares = [&](const float* row) {
#if defined(__x86_64__)
    if (isa != Isa::kPortable) return sum_of_squares_avx2(row, n);
#endif
    return sum_of_squares_portable(row, n);
  };
  in_blocks(num_rows, 64, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const float* row = x + r * n;
      float* to = y + r * n;
      const float mean = sum(row) / static_cast<float>(n);
      for (int64_t i = 0; i < n; ++i) to[i] = row[i] - mean;
      const auto scale = static_cast<float>(
          1.0 / std::sqrt(static_cast<double>(squares(to)) / static_cast<double>(n) + eps));
      for (int64_t i = 0; i < n; ++i) {
        to[i] = weight[static_cast<size_t>(i)] * (to[i] * scale) + bias[static_cast<size_t>(i)];
      }
    }
  });
}

void activate_(Activation activation, float* x, int64_t count, Isa isa) {
  activate_times_(activation, x, nullptr, count, isa);
}

void activate_times_(Activation activation, float* gate, const float* up, int64_t count, Isa isa) {
  in_blocks(count, 64 * 1024, [&](int64_t first, int64_t last) {
    const float* factors = up == nullptr ? nullptr : up + first;
#if defined(__x86_64__)
    if (isa != Isa::kPortable && activation == Activation::kSilu)
      return sigmoid_times_avx2<false>(gate + first, factors, last - first);
    if (isa != Isa::kPortable && activation == Activation::kGeluTanh)
      return sigmoid_times_avx2<true>(gate + first, factors, last - first);
#endif
    activate_portable(activation, gate + first, factors, last - first);
  });
}

RotaryTable::RotaryTable(std::span<const float> inverse_frequencies, int64_t num_positions,
                         float magnitude, int64_t head_dim)
    : half_(static_cast<int64_t>(inverse_frequencies.size())),
      num_positions_(num_positions),
      head_dim_(head_dim == 0 ? 2 * half_ : head_dim) {
  cosines_.resize(static_cast<size_t>(num_positions * half_));
  sines_.resize(cosines_.size());
  for (int64_t i = 0; i < half_; ++i) {
    const float inverse_frequency = inverse_frequencies[static_cast<size_t>(i)];
    for (int64_t p = 0; p < num_positions; ++p) {
      const double angle = static_cast<float>(p) * inverse_frequency;
      cosines_[static_cast<size_t>(p * half_ + i)] =
          magnitude * static_cast<float>(std::cos(angle));
      sines_[static_cast<size_t>(p * half_ + i)] = magnitude * static_cast<float>(std::sin(angle));
    }
  }
}

template <bool kBack>
void RotaryTable::turn_(float* x, int64_t num_rows, int64_t num_heads,
                        std::span<const int32_t> positions) const {
  in_blocks(num_rows, 64, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const int64_t at = positions[static_cast<size_t>(r)] * half_;
      const float *cosine = cosines_.data() + at, *sine = sines_.data() + at;
      for (int64_t h = 0; h < num_heads; ++h) {
        float *low = x + (r * num_heads + h) * head_dim_, *high = low + half_;
        for (int64_t i = 0; i < half_; ++i) {
          const float a = low[i], b = high[i], s = kBack ? -sine[i] : sine[i];
          low[i] = a * cosine[i] - b * s;
          high[i] = b * cosine[i] + a * s;
        }
      }
    }
  });
}

void RotaryTable::rotate_(float* x, int64_t num_rows, int64_t num_heads,
                          std::span<const int32_t> positions) const {
  turn_<false>(x, num_rows, num_heads, positions);
}

void RotaryTable::rotate_back_(float* x, int64_t num_rows, int64_t num_heads,
                               std::span<const int32_t> positions) const {
  turn_<true>(x, num_rows, num_heads, positions);
}

}  // namespace assay::kernels
