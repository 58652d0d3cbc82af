#include "compress/hqq.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "compress/row_blocks.h"

namespace assay {
namespace {

// Half to even for |x| < 2^22, which every weight over its scale is.
float round_half_even(float x) {
  constexpr float kShift = 12582912.0f;
  return (x + kShift) - kShift;
}

// clamp(round(x / scale + zero)). The whole part of zero is added after rounding, so that a whole
// zero gives the codes of the scalar quantizer to the bit.
struct Coder {
  Coder(float scale, float zero, float max_code)
      : scale(scale), zero(zero), whole(std::floor(zero)), part(zero - whole), max_code(max_code) {}

  float code(float x) const {
    return std::min(std::max(round_half_even(x / scale + part) + whole, 0.0f), max_code);
  }
  float value(float code) const { return scale * (code - zero); }

  float scale, zero, whole, part, max_code;
};

// argmin over e of |e|^p + beta / 2 (e - x)^2, in the source's approximation.
class Shrink {
 public:
  Shrink(double p, double beta)
      : power_(static_cast<float>(p - 1)),
        inverse_beta_(static_cast<float>(1 / beta)),
        // Below it |x|^(p-1) / beta exceeds |x|; a little less, so that rounding decides nothing.
        always_zero_(static_cast<float>(0.999 * std::pow(beta, -1 / (2 - p)))) {}

  float operator()(float x) const {
    const float size = std::abs(x);
    if (size < always_zero_) return 0;
    const float left = std::max(0.0f, size - inverse_beta_ * std::pow(size, power_));
    return std::copysign(left, x);
  }

 private:
  float power_, inverse_beta_, always_zero_;
};

struct Matrix {
  const float* weight;
  const float* scale;
  int64_t rows, cols, group_size, groups;
  float max_code;
};

// One step for all groups: `next` receives the proposed zeros. Returns mean |W - V| under `zero`.
double step(const Matrix& m, const float* zero, const Shrink& shrink, float* next) {
  std::vector<double> row_error(static_cast<size_t>(m.rows));
  for_each_row_block(m.rows, m.cols, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      double error = 0;
      for (int64_t group = 0; group < m.groups; ++group) {
        const int64_t first = group * m.group_size, width = std::min(m.group_size, m.cols - first);
        const float* x = m.weight + row * m.cols + first;
        const int64_t at = row * m.groups + group;
        const Coder coder(m.scale[at], zero[at], m.max_code);
        double sum = 0;
        for (int64_t i = 0; i < width; ++i) {
          const float code = coder.code(x[i]);
          const float difference = x[i] - coder.value(code);
          error += static_cast<double>(std::abs(difference));
          sum += static_cast<double>(code - (x[i] - shrink(difference)) / coder.scale);
        }
        next[at] = static_cast<float>(sum / static_cast<double>(width));
      }
      row_error[static_cast<size_t>(row)] = error;
    }
  });
  double total = 0;
  for (const double error : row_error) total += error;
  return total / static_cast<double>(m.rows * m.cols);
}

at::Tensor codes_of(const Matrix& m, const at::Tensor& zeros) {
  auto codes = at::empty({m.rows, m.cols}, at::kByte);
  const float* zero = zeros.const_data_ptr<float>();
  uint8_t* out = codes.mutable_data_ptr<uint8_t>();
  for_each_row_block(m.rows, m.cols, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t col = 0; col < m.cols; ++col) {
        const int64_t at = row * m.groups + col / m.group_size;
        const Coder coder(m.scale[at], zero[at], m.max_code);
        out[row * m.cols + col] = static_cast<uint8_t>(coder.code(m.weight[row * m.cols + col]));
      }
    }
  });
  return codes;
}

void check_config(const HqqConfig& config) {
  require(2 <= config.bits && config.bits <= 8, "hqq: bits must be in [2, 8], got ", config.bits);
  require(config.group_size == -1 || config.group_size > 0,
          "hqq: group_size must be positive or -1, got ", config.group_size);
  require(config.p > 0 && config.p <= 1, "hqq: p must be in (0, 1], got ", config.p);
  require(config.beta > 0 && std::isfinite(config.beta), "hqq: beta must be positive, got ",
          config.beta);
  require(config.kappa >= 1 && config.kappa <= 2, "hqq: kappa must be in [1, 2], got ",
          config.kappa);
  require(0 <= config.iterations && config.iterations <= 1000,
          "hqq: iterations must be in [0, 1000], got ", config.iterations);
}

}  // namespace

HqqResult hqq_quantize(const at::Tensor& weight, const HqqConfig& config) {
  check_config(config);
  HqqResult result;
  result.grid = fit_grid(weight, {.bits = config.bits, .group_size = config.group_size});
  const auto in_order = weight.to(at::kFloat).contiguous();
  const Matrix matrix{.weight = in_order.const_data_ptr<float>(),
                      .scale = result.grid.scale.const_data_ptr<float>(),
                      .rows = weight.size(0),
                      .cols = weight.size(1),
                      .group_size = result.grid.group_size,
                      .groups = result.grid.scale.size(1),
                      .max_code = static_cast<float>(result.grid.max_code)};
  at::Tensor zero = result.grid.zero, best = zero;
  double beta = config.beta;
  for (int64_t t = 0;; ++t, beta *= config.kappa) {
    auto next = at::empty_like(zero);
    const double error = step(matrix, zero.const_data_ptr<float>(), Shrink(config.p, beta),
                              next.mutable_data_ptr<float>());
    if (t == 0) result.first_error = error;
    const bool fell = t == 0 || error < result.error;
    if (fell) {
      result.error = error;
      best = zero;
    }
    if (t == config.iterations) break;
    result.iterations = t + 1;
    zero = next;
    if (!fell) break;
  }
  if (config.parity_last_zero && config.iterations > 0) {
    best = zero;
    auto unused = at::empty_like(zero);
    result.error = step(matrix, zero.const_data_ptr<float>(), Shrink(config.p, beta),
                        unused.mutable_data_ptr<float>());
  }
  result.grid.zero = best;
  result.codes = codes_of(matrix, best);
  result.values = dequantize(result.codes, result.grid);
  return result;
}

double hqq_bits(int64_t in_features, const HqqConfig& config) {
  check_config(config);
  require(in_features > 0, "hqq: in_features must be positive, got ", in_features);
  const int64_t group_size =
      config.group_size == -1 ? in_features : std::min(config.group_size, in_features);
  const int64_t groups = (in_features + group_size - 1) / group_size;
  return static_cast<double>(config.bits) +
         32 * static_cast<double>(groups) / static_cast<double>(in_features);
}

}  // namespace assay
