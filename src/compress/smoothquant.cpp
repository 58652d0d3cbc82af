#include "compress/smoothquant.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "compress/fold_scale.h"
#include "compress/metric.h"
#include "compress/row_blocks.h"

namespace assay {
namespace {

constexpr double kLeast = 1e-5;
constexpr std::array<std::string_view, 3> kAfterInputNorm{"self_attn.q_proj", "self_attn.k_proj",
                                                          "self_attn.v_proj"};
constexpr std::array<std::string_view, 2> kAfterSecondNorm{"mlp.gate_proj", "mlp.up_proj"};

const at::Tensor& entry(const std::map<std::string_view, at::Tensor>& map, std::string_view name) {
  const auto found = map.find(name);
  require(found != map.end(), "smoothquant: nothing was given for ", name);
  return found->second;
}

// Folds one scale into a norm and its consumers; returns it.
at::Tensor smooth_(at::Tensor& norm, std::map<std::string_view, at::Tensor>& linears,
                   std::span<const std::string_view> consumers, const at::Tensor& input_max,
                   const SmoothQuantConfig& config) {
  return in_context(consumers.front(), [&] {
    std::vector<at::Tensor> weights;
    for (const std::string_view name : consumers) weights.push_back(entry(linears, name));
    const auto scale = smoothing_scale(input_max, weights, config);
    norm = fold_into_norm(norm, scale);
    for (const std::string_view name : consumers) {
      linears[name] = scale_columns(linears[name], scale);
    }
    return scale;
  });
}

}  // namespace

at::Tensor smoothing_scale(const at::Tensor& input_max, std::span<const at::Tensor> weights,
                           const SmoothQuantConfig& config) {
  require(config.alpha >= 0 && config.alpha <= 1, "smoothquant: alpha must be in [0, 1], got ",
          config.alpha);
  require(input_max.dim() == 1 && input_max.numel() > 0 && input_max.scalar_type() == at::kFloat,
          "smoothquant: input_max must be float32 [in], got ", input_max.scalar_type(), " ",
          input_max.sizes());
  require((at::isfinite(input_max) & (input_max >= 0)).all().item<bool>(),
          "smoothquant: input_max has a negative or non-finite entry");
  require(!weights.empty(), "smoothquant: no weight to smooth");
  at::Tensor weight_max;
  for (const at::Tensor& weight : weights) {
    require_finite_matrix(weight, "smoothquant: weight");
    require(weight.scalar_type() == at::kFloat && weight.size(1) == input_max.size(0),
            "smoothquant: weight must be float32 [*, ", input_max.size(0), "], got ",
            weight.scalar_type(), " ", weight.sizes());
    const auto columns = weight.abs().amax(0);
    weight_max = weight_max.defined() ? at::maximum(weight_max, columns) : columns;
  }
  const auto x = input_max.contiguous(), w = weight_max.contiguous();
  auto scale = at::empty_like(x);
  for (int64_t j = 0; j < scale.size(0); ++j) {
    const double largest = std::max<double>(w.const_data_ptr<float>()[j], kLeast);
    const double s = std::pow(static_cast<double>(x.const_data_ptr<float>()[j]), config.alpha) /
                     std::pow(largest, 1 - config.alpha);
    scale.data_ptr<float>()[j] = static_cast<float>(std::max(s, kLeast));
  }
  return scale;
}

std::map<std::string_view, at::Tensor> block_input_maxima(
    const Block& block, const ModelConfig& config, const std::vector<CalibrationBatch>& batches) {
  std::map<std::string_view, at::Tensor> maxima;
  observe_block_inputs(
      block, config, batches,
      [&](std::string_view linear, const at::Tensor& input, std::span<const int64_t>) {
        const auto largest = input.abs().amax(0);
        at::Tensor& seen = maxima[linear];
        seen = seen.defined() ? at::maximum(seen, largest) : largest;
      });
  for (const std::string_view linear : linear_names_of(block, config)) {
    const auto& largest = entry(maxima, first_with_same_input(linear));
    require(at::isfinite(largest).all().item<bool>(), linear,
            ": smoothquant: an input takes a value that is not finite");
    maxima[linear] = largest;
  }
  return maxima;
}

SmoothedBlock smooth_block(const BlockWeights& weights,
                           const std::map<std::string_view, at::Tensor>& input_maxima,
                           const SmoothQuantConfig& config) {
  SmoothedBlock result{weights, {}, {}};
  auto& linears = result.weights.linears;
  result.attention_scale = smooth_(result.weights.input_layernorm, linears, kAfterInputNorm,
                                   entry(input_maxima, kAfterInputNorm[0]), config);
  result.mlp_scale = smooth_(result.weights.post_attention_layernorm, linears, kAfterSecondNorm,
                             entry(input_maxima, kAfterSecondNorm[0]), config);
  return result;
}

Int8Rows quantize_rows_int8(const at::Tensor& matrix) {
  require_finite_matrix(matrix, "smoothquant: matrix");
  const auto in_order = matrix.to(at::kFloat).contiguous();
  const int64_t rows = matrix.size(0), cols = matrix.size(1);
  Int8Rows result{at::empty({rows, cols}, at::kChar), at::empty({rows}, at::kFloat),
                  at::empty({rows, cols}, at::kFloat)};
  const float* in = in_order.const_data_ptr<float>();
  int8_t* codes = result.codes.data_ptr<int8_t>();
  float *scales = result.scale.data_ptr<float>(), *values = result.values.data_ptr<float>();
  for_each_row_block(rows, cols, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float largest = static_cast<float>(kLeast);
      for (int64_t i = row * cols; i < (row + 1) * cols; ++i) {
        largest = std::max(largest, std::abs(in[i]));
      }
      const float scale = largest / 127;
      scales[row] = scale;
      for (int64_t i = row * cols; i < (row + 1) * cols; ++i) {
        const float code = std::nearbyint(in[i] / scale);
        codes[i] = static_cast<int8_t>(code);
        values[i] = code * scale;
      }
    }
  });
  return result;
}

}  // namespace assay
