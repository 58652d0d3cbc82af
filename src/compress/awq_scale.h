#pragma once
// AWQ's search for a scale per input channel: salient channels are scaled up before they are
// quantized, and the producer of the inputs is divided by the same.
//   minimize over s   mean of (module(x; Q(W diag s) diag(s)^-1) - module(x; W))^2
// on the grid r = 0, 0.05, ... 0.95 of one exponent. Source: Lin et al., MLSys 2024,
// arXiv:2306.00978, eq. 4-5, and its released code.

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <vector>

#include "compress/awq_quantizer.h"

namespace assay {

inline constexpr int64_t kAwqGridPoints = 20;  // r = point / 20

enum class AwqScaleRule {
  kInputs,  // the paper's program: s_j = max(x_mean_j^r, 1e-4)
  kDuo,     // AutoAWQ's duo_scaling: s_j = max(x_mean_j^r / (w_mean_j^(1 - r) + 1e-4), 1e-4)
};

// Mean over tokens of |x_j|: inputs [tokens, in_features] float32 -> [in_features] float32, summed
// in float64 in the order of the tokens. Error(kBadInput) where an input is not finite.
at::Tensor mean_magnitude(const at::Tensor& inputs);

// w_mean of kDuo: mean over the rows of all weights [*, in_features] of |w| / (largest |w| of its
// group in that row + 1e-6).
at::Tensor relative_weight_magnitude(std::span<const at::Tensor> weights,
                                     const AwqQuantizerConfig& config);

// s of one grid point, normalized: s / sqrt(max(s) * min(s)), so that max * min = 1. w_mean is read
// by kDuo alone, which also sets entries that are not finite to 1. Point 0 of kInputs is s = 1.
// Powers in float64, rounded to float32. Error(kBadInput) when a scale is not positive and finite.
at::Tensor awq_scale(const at::Tensor& x_mean, int64_t point, AwqScaleRule rule,
                     const at::Tensor& w_mean = {});

// Q(W diag s) diag(s)^-1: what a weight [out, in] becomes under a scale, in its own columns.
at::Tensor awq_scaled_values(const at::Tensor& weight, const at::Tensor& scale,
                             const AwqQuantizerConfig& config);

// A loss is a sum of parts >= 0 (tokens, or output rows).
struct GridSearch {
  int64_t point = 0;  // of the least loss, the first of equals
  double loss = 0;
  // Per point: its loss, or, where the search could leave off early, the sum of the parts it saw:
  // the loss is at least that, and that is above the least loss.
  std::vector<double> losses;
  int64_t parts_seen = 0;  // of num_points * num_parts
};

// The least of `num_points` losses, as if all were summed in the order of the parts: the point with
// the least sum so far always goes on, until that is a finished one. What is left off cannot win.
// Error(kBadInput) when a part is negative or not finite.
GridSearch least_loss(int64_t num_points, int64_t num_parts,
                      const std::function<double(int64_t point, int64_t part)>& part_loss);

struct ScaleChoice {
  at::Tensor scale;   // [in]
  GridSearch search;  // losses are means over tokens and outputs of the inspected module
};

// The scales of all grid points for a pair whose consumers are `weights`, by the inputs they share.
std::vector<at::Tensor> awq_candidate_scales(const at::Tensor& inputs,
                                             std::span<const at::Tensor> weights, AwqScaleRule rule,
                                             const AwqQuantizerConfig& config);

// The choice of a search whose losses are sums over `count` squared changes.
ScaleChoice choose_scale(const std::vector<at::Tensor>& scales, GridSearch search, int64_t count);

// The search where one linear is inspected alone. weight [out, in] float32, inputs [tokens, in]
// float32.
ScaleChoice search_linear_scale(const at::Tensor& weight, const at::Tensor& inputs,
                                AwqScaleRule rule, const AwqQuantizerConfig& config);

// Its definition: every token, every point, every output. For tests and benchmarks.
ScaleChoice search_linear_scale_plain(const at::Tensor& weight, const at::Tensor& inputs,
                                      AwqScaleRule rule, const AwqQuantizerConfig& config);

}  // namespace assay
