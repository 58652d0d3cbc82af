#include "compress/awq_quantizer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "compress/metric.h"
#include "compress/row_blocks.h"
#include "kernels/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay {
namespace {

constexpr float kLeastRange = 1e-5f;
constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: a sum with it has no fraction bits

struct Grid {
  float scale = 1, zero = 0, max_code = 15;
};

// Half to even for |x| < 2^22; what is larger is off by at most 1 and beyond every code.
float round_half_even(float x) { return (x + kShift) - kShift; }

struct Range {
  float min, max;
};

Range range_portable(const float* x, int64_t n) {
  const auto [min, max] = std::minmax_element(x, x + n);
  return {*min, *max};
}

void round_portable(const float* x, int64_t n, Grid grid, float* values) {
  for (int64_t i = 0; i < n; ++i) {
    const float code =
        std::min(std::max(round_half_even(x[i] / grid.scale) + grid.zero, 0.0f), grid.max_code);
    values[i] = (code - grid.zero) * grid.scale;
  }
}

#if defined(__x86_64__)
// Eight at a time, the same operations: the same bits.
__attribute__((target("avx2"))) Range range_avx2(const float* x, int64_t n) {
  __m256 low = _mm256_set1_ps(x[0]), high = low;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 value = _mm256_loadu_ps(x + i);
    low = _mm256_min_ps(low, value);
    high = _mm256_max_ps(high, value);
  }
  std::array<float, 8> lows{}, highs{};
  _mm256_storeu_ps(lows.data(), low);
  _mm256_storeu_ps(highs.data(), high);
  Range range{*std::min_element(lows.begin(), lows.end()),
              *std::max_element(highs.begin(), highs.end())};
  for (; i < n; ++i) {
    range.min = std::min(range.min, x[i]);
    range.max = std::max(range.max, x[i]);
  }
  return range;
}

__attribute__((target("avx2"))) void round_avx2(const float* x, int64_t n, Grid grid,
                                                float* values) {
  const __m256 scale = _mm256_set1_ps(grid.scale), zero = _mm256_set1_ps(grid.zero),
               shift = _mm256_set1_ps(kShift), top = _mm256_set1_ps(grid.max_code);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256 code = _mm256_div_ps(_mm256_loadu_ps(x + i), scale);
    code = _mm256_sub_ps(_mm256_add_ps(code, shift), shift);
    code = _mm256_max_ps(_mm256_add_ps(code, zero), _mm256_setzero_ps());
    code = _mm256_min_ps(code, top);
    _mm256_storeu_ps(values + i, _mm256_mul_ps(_mm256_sub_ps(code, zero), scale));
  }
  round_portable(x + i, n - i, grid, values + i);
}

bool has_avx2() {
  static const bool has = kernels::has_isa(kernels::Isa::kAvx2);
  return has;
}
#endif

Range range_of(const float* x, int64_t n) {
#if defined(__x86_64__)
  if (has_avx2()) return range_avx2(x, n);
#endif
  return range_portable(x, n);
}

Grid grid_of_group(const float* x, int64_t n, const AwqQuantizerConfig& config) {
  const auto max_code = static_cast<float>((int64_t{1} << config.bits) - 1);
  const Range range = range_of(x, n);
  if (config.sym) {
    const float largest = std::max({std::abs(range.min), std::abs(range.max), kLeastRange});
    const auto zero = static_cast<float>(int64_t{1} << (config.bits - 1));
    return {largest / (zero - 1), zero, max_code};
  }
  const float scale = std::max(range.max - range.min, kLeastRange) / max_code;
  // 0 first, so that -0 becomes 0
  const float zero = std::min(std::max(0.0f, -round_half_even(range.min / scale)), max_code);
  return {scale, zero, max_code};
}

}  // namespace

void check_awq_quantizer(const AwqQuantizerConfig& config) {
  const int64_t least_bits = config.sym ? 2 : 1;
  require(least_bits <= config.bits && config.bits <= 8, "awq: bits must be in [", least_bits,
          ", 8], got ", config.bits);
  require(config.group_size == -1 || config.group_size > 0,
          "awq: group_size must be positive or -1, got ", config.group_size);
}

int64_t awq_group_width(int64_t cols, const AwqQuantizerConfig& config) {
  return config.group_size == -1 ? cols : std::min(config.group_size, cols);
}

int64_t awq_num_groups(int64_t cols, const AwqQuantizerConfig& config) {
  const int64_t width = awq_group_width(cols, config);
  return (cols + width - 1) / width;
}

QuantGrid fit_awq_grid(const at::Tensor& weight, const AwqQuantizerConfig& config) {
  check_awq_quantizer(config);
  require_finite_matrix(weight, "awq: weight");
  const auto values = weight.to(at::kFloat).contiguous();
  const int64_t rows = weight.size(0), cols = weight.size(1);
  const int64_t width = awq_group_width(cols, config), groups = awq_num_groups(cols, config);
  QuantGrid grid{at::empty({rows, groups}, at::kFloat), at::empty({rows, groups}, at::kFloat),
                 width, (int64_t{1} << config.bits) - 1};
  const float* in = values.const_data_ptr<float>();
  float *scale = grid.scale.data_ptr<float>(), *zero = grid.zero.data_ptr<float>();
  for_each_row_block(rows, cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * groups; i < end * groups; ++i) {
      const int64_t first = i % groups * width;
      const Grid fitted =
          grid_of_group(in + i / groups * cols + first, std::min(width, cols - first), config);
      scale[i] = fitted.scale;
      zero[i] = fitted.zero;
      require(std::isfinite(fitted.scale), "awq: a group of row ", i / groups,
              " spans more than float32 can hold");
    }
  });
  return grid;
}

void awq_round_group(const float* x, int64_t n, const AwqQuantizerConfig& config, float* values) {
  const Grid grid = grid_of_group(x, n, config);
#if defined(__x86_64__)
  if (has_avx2()) return round_avx2(x, n, grid, values);
#endif
  round_portable(x, n, grid, values);
}

}  // namespace assay
