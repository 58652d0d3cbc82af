#include "compress/awq_scale.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "compress/error_energy.h"
#include "compress/metric.h"
#include "compress/row_blocks.h"

namespace assay {
namespace {

constexpr double kLeastScale = 1e-4;
constexpr int64_t kChannels = 64;    // of a task
constexpr int64_t kRowParts = 8;     // into which the output rows of a linear are cut
constexpr int64_t kLeastPart = 240;  // rows: two blocks of the product's kernel

void require_float_matrix(const at::Tensor& matrix, std::string_view what) {
  require_finite_matrix(matrix, what);
  require(matrix.scalar_type() == at::kFloat, what, " must be float32, got ", matrix.scalar_type());
}

void check_linear(const at::Tensor& weight, const at::Tensor& inputs,
                  const AwqQuantizerConfig& config) {
  check_awq_quantizer(config);
  require_float_matrix(weight, "awq: weight");
  require_float_matrix(inputs, "awq: inputs");
  require(weight.size(1) == inputs.size(1), "awq: weight ", weight.sizes(), " needs inputs [*, ",
          weight.size(1), "], got ", inputs.sizes());
}

}  // namespace

at::Tensor mean_magnitude(const at::Tensor& inputs) {
  require_float_matrix(inputs, "awq: inputs");
  const auto in_order = inputs.contiguous();
  const int64_t tokens = inputs.size(0), width = inputs.size(1);
  auto mean = at::empty({width}, at::kFloat);
  const float* x = in_order.const_data_ptr<float>();
  float* out = mean.data_ptr<float>();
  parallel_for((width + kChannels - 1) / kChannels, [&](int64_t task) {
    const int64_t first = task * kChannels, last = std::min(width, first + kChannels);
    std::vector<double> sums(static_cast<size_t>(last - first), 0.0);
    for (int64_t token = 0; token < tokens; ++token) {
      for (int64_t j = first; j < last; ++j) {
        sums[static_cast<size_t>(j - first)] += std::abs(x[token * width + j]);
      }
    }
    for (int64_t j = first; j < last; ++j) {
      out[j] =
          static_cast<float>(sums[static_cast<size_t>(j - first)] / static_cast<double>(tokens));
    }
  });
  return mean;
}

at::Tensor relative_weight_magnitude(std::span<const at::Tensor> weights,
                                     const AwqQuantizerConfig& config) {
  check_awq_quantizer(config);
  require(!weights.empty(), "awq: no weight to measure");
  int64_t rows = 0;
  at::Tensor sum;
  for (const at::Tensor& weight : weights) {
    require_float_matrix(weight, "awq: weight");
    const int64_t cols = weight.size(1), width = awq_group_width(cols, config);
    if (!sum.defined()) sum = at::zeros({cols}, at::kDouble);
    require(sum.size(0) == cols, "awq: weights of one pair have ", sum.size(0), " and ", cols,
            " columns");
    const auto magnitude = weight.abs();
    for (int64_t first = 0; first < cols; first += width) {
      const auto group = magnitude.narrow(1, first, std::min(width, cols - first));
      const auto relative = group / (group.amax(1, /*keepdim=*/true) + 1e-6);
      sum.narrow(0, first, group.size(1)).add_(relative.to(at::kDouble).sum(0));
    }
    rows += weight.size(0);
  }
  return (sum / rows).to(at::kFloat);
}

at::Tensor awq_scale(const at::Tensor& x_mean, int64_t point, AwqScaleRule rule,
                     const at::Tensor& w_mean) {
  require(x_mean.dim() == 1 && x_mean.numel() > 0 && x_mean.scalar_type() == at::kFloat,
          "awq: x_mean must be float32 [in], got ", x_mean.scalar_type(), " ", x_mean.sizes());
  require(0 <= point && point < kAwqGridPoints, "awq: no grid point ", point);
  const bool duo = rule == AwqScaleRule::kDuo;
  require(!duo || (w_mean.defined() && w_mean.sizes() == x_mean.sizes() &&
                   w_mean.scalar_type() == at::kFloat),
          "awq: the duo rule needs a w_mean of ", x_mean.sizes());
  const double r = static_cast<double>(point) / kAwqGridPoints;
  const int64_t n = x_mean.size(0);
  auto scale = at::empty({n}, at::kFloat);
  float* s = scale.data_ptr<float>();
  const auto x = x_mean.contiguous(), w = duo ? w_mean.contiguous() : at::Tensor();
  for (int64_t j = 0; j < n; ++j) {
    double value = std::pow(static_cast<double>(x.const_data_ptr<float>()[j]), r);
    if (duo) {
      const double weight = w.const_data_ptr<float>()[j];
      value = static_cast<float>(value) / (std::pow(weight, 1 - r) + 1e-4);
    }
    s[j] = static_cast<float>(std::max(value, kLeastScale));
  }
  const auto [low, high] = std::minmax_element(s, s + n);
  const float middle = std::sqrt(*high * *low);
  for (int64_t j = 0; j < n; ++j) {
    s[j] /= middle;
    if (duo && !std::isfinite(s[j])) s[j] = 1;
    require(std::isfinite(s[j]) && s[j] > 0, "awq: the scale of channel ", j, " is ", s[j],
            " at r = ", r, " (mean |x| = ", x.const_data_ptr<float>()[j], ")");
  }
  return scale;
}

at::Tensor awq_scaled_values(const at::Tensor& weight, const at::Tensor& scale,
                             const AwqQuantizerConfig& config) {
  check_awq_quantizer(config);
  require(weight.dim() == 2 && weight.scalar_type() == at::kFloat && scale.dim() == 1 &&
              scale.scalar_type() == at::kFloat && scale.size(0) == weight.size(1),
          "awq: weight ", weight.sizes(), " cannot take a scale of ", scale.sizes());
  const int64_t rows = weight.size(0), cols = weight.size(1);
  const int64_t width = awq_group_width(cols, config);
  const auto values = (weight * scale).contiguous();
  float* out = values.data_ptr<float>();
  for_each_row_block(rows, cols, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t first = 0; first < cols; first += width) {
        float* group = out + row * cols + first;
        awq_round_group(group, std::min(width, cols - first), config, group);
      }
    }
  });
  return values.div_(scale);
}

GridSearch least_loss(int64_t num_points, int64_t num_parts,
                      const std::function<double(int64_t point, int64_t part)>& part_loss) {
  GridSearch search;
  search.losses.assign(static_cast<size_t>(num_points), 0.0);
  std::vector<int64_t> seen(static_cast<size_t>(num_points), 0);
  while (true) {
    // Sums only grow, so a finished point that is the least (the first of equals) stays it.
    const auto least = std::ranges::min_element(search.losses) - search.losses.begin();
    double& sum = search.losses[static_cast<size_t>(least)];
    int64_t& part = seen[static_cast<size_t>(least)];
    if (part == num_parts) {
      search.point = least;
      search.loss = sum;
      return search;
    }
    const double loss = part_loss(least, part);
    require(std::isfinite(loss) && loss >= 0, "awq: the loss at grid point ", least, " is ", loss);
    sum += loss;
    ++part;
    ++search.parts_seen;
  }
}

std::vector<at::Tensor> awq_candidate_scales(const at::Tensor& inputs,
                                             std::span<const at::Tensor> weights, AwqScaleRule rule,
                                             const AwqQuantizerConfig& config) {
  const auto x_mean = mean_magnitude(inputs);
  at::Tensor w_mean;
  if (rule == AwqScaleRule::kDuo) w_mean = relative_weight_magnitude(weights, config);
  std::vector<at::Tensor> scales;
  for (int64_t point = 0; point < kAwqGridPoints; ++point) {
    scales.push_back(awq_scale(x_mean, point, rule, w_mean));
  }
  return scales;
}

ScaleChoice choose_scale(const std::vector<at::Tensor>& scales, GridSearch search, int64_t count) {
  search.loss /= static_cast<double>(count);
  for (double& loss : search.losses) loss /= static_cast<double>(count);
  return {scales[static_cast<size_t>(search.point)], std::move(search)};
}

ScaleChoice search_linear_scale(const at::Tensor& weight, const at::Tensor& inputs,
                                AwqScaleRule rule, const AwqQuantizerConfig& config) {
  check_linear(weight, inputs, config);
  const auto scales = awq_candidate_scales(inputs, {&weight, 1}, rule, config);
  const int64_t rows = weight.size(0), tokens = inputs.size(0);
  const ErrorEnergy energy(inputs,
                           cheaper_energy_form(tokens, inputs.size(1), rows * kAwqGridPoints));
  const int64_t part_rows = std::max(kLeastPart, (rows + kRowParts - 1) / kRowParts);
  auto search = least_loss(
      kAwqGridPoints, (rows + part_rows - 1) / part_rows, [&](int64_t point, int64_t part) {
        const int64_t first = part * part_rows;
        const auto some = weight.narrow(0, first, std::min(part_rows, rows - first));
        const auto& scale = scales[static_cast<size_t>(point)];
        return energy(awq_scaled_values(some, scale, config).sub_(some));
      });
  return choose_scale(scales, std::move(search), tokens * rows);
}

ScaleChoice search_linear_scale_plain(const at::Tensor& weight, const at::Tensor& inputs,
                                      AwqScaleRule rule, const AwqQuantizerConfig& config) {
  check_linear(weight, inputs, config);
  const auto scales = awq_candidate_scales(inputs, {&weight, 1}, rule, config);
  const auto dense = inputs.matmul(weight.t());
  GridSearch search;
  search.loss = std::numeric_limits<double>::infinity();
  for (int64_t point = 0; point < kAwqGridPoints; ++point) {
    const auto values = awq_scaled_values(weight, scales[static_cast<size_t>(point)], config);
    const double loss =
        (inputs.matmul(values.t()) - dense).square().to(at::kDouble).sum().item<double>();
    search.losses.push_back(loss);
    ++search.parts_seen;
    if (loss < search.loss) {
      search.loss = loss;
      search.point = point;
    }
  }
  return choose_scale(scales, std::move(search), inputs.size(0) * weight.size(0));
}

}  // namespace assay
