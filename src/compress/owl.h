#pragma once
// OWL: blocks in which more weights stand out are pruned less. It says how much of each block goes;
// which weights go is another method's question.
// Source: Yin et al., Outlier Weighed Layerwise Sparsity (OWL): A Missing Secret Sauce for Pruning
// LLMs to High Sparsity, ICML 2024, arXiv:2310.05175, and its released code.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace assay {

struct OwlConfig {
  double sparsity = 0.7;  // S, the mean over blocks, in [0, 1]
  double lambda = 0.08;   // a block's sparsity spans 2 * lambda over the blocks, in [0, 0.5]
  double outlier_multiple = 5.0;  // M: an outlier's score is above M times the block's mean, > 0
};

// A linear of a block.
struct ScoredLinear {
  at::Tensor weight;      // [out_features, in_features] floating point
  at::Tensor input_norm;  // [in_features], as for Wanda (compress/wanda.h)
};

// D = 100 * share of a block's weights whose score |W_ij| * ||X_j|| (float32) is above
// `outlier_multiple` times the mean score, over all linears together. The mean is a float64 sum in
// an order that depends on shapes alone. Error(kBadInput): no linear, shapes that do not fit,
// values that are not finite.
double outlier_percent(std::span<const ScoredLinear> block, double outlier_multiple);

// From the D of every block to its sparsity:
//   r = (D - min D) / (max D - min D) * 2 lambda      s = S - (r - mean r)
// so that the mean of s is S; blocks of equal D get S (where the reference divides 0 by 0).
// Error(kBadInput): nothing given, a D that is not finite, settings out of range, and an s outside
// [0, 1], which would have to be cut and so miss S.
std::vector<double> owl_sparsities(std::span<const double> outlier_percents,
                                   const OwlConfig& config);

}  // namespace assay
