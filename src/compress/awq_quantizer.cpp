#include "compress/awq_quantizer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "compress/metric.h"
#include "compress/row_blocks.h"

namespace assay {
namespace {

constexpr float kLeastRange = 1e-5f;

struct Grid {
  float scale = 1, zero = 0, max_code = 15;
};

// Half to even for |x| < 2^22; what is larger is off by at most 1 and beyond every code (it
// vectorizes).
float round_half_even(float x) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23 leaves no fraction bits
  return (x + kShift) - kShift;
}

struct Range {
  float min, max;
};

// Eight lanes, so that the compiler may use vectors; a minimum does not depend on the order.
Range range_of(const float* x, int64_t n) {
  std::array<float, 8> low, high;
  low.fill(x[0]);
  high.fill(x[0]);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) {
      const float value = x[i + static_cast<int64_t>(lane)];
      low[lane] = value < low[lane] ? value : low[lane];
      high[lane] = value > high[lane] ? value : high[lane];
    }
  }
  for (; i < n; ++i) {
    low[0] = std::min(low[0], x[i]);
    high[0] = std::max(high[0], x[i]);
  }
  return {*std::min_element(low.begin(), low.end()), *std::max_element(high.begin(), high.end())};
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
  const float zero = std::min(std::max(-round_half_even(range.min / scale), 0.0f), max_code);
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
  for (int64_t i = 0; i < n; ++i) {
    const float code =
        std::min(std::max(round_half_even(x[i] / grid.scale) + grid.zero, 0.0f), grid.max_code);
    values[i] = (code - grid.zero) * grid.scale;
  }
}

}  // namespace assay
