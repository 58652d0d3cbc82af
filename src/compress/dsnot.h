#pragma once
// DSnoT: swaps pruned weights for kept ones until what a row loses in expectation is small. No
// weight changes its value, and no row or group its number of weights.
// Source: Zhang et al., Dynamic Sparse No Training: Training-Free Fine-tuning for Sparse LLMs, ICLR
// 2024, arXiv:2310.08915, and its released code.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "calibration/input_moments.h"
#include "compress/nm_pattern.h"

namespace assay {

struct DsnotConfig {
  int64_t max_cycles = 50;      // swaps of a row at most, >= 0
  double threshold = 0.1;       // a row stops once |error| is at most this, >= 0
  double variance_power = 1.0;  // gamma, >= 0
  std::optional<NmPattern> pattern = std::nullopt;  // swaps stay within aligned groups of M inputs
  // Quirks of the reference (--parity):
  bool parity_any_sign = false;  // "any_sign": without a pattern a swap may turn the error's sign
                                 // (the reference's default, against its paper)
  bool parity_past_end = false;  // "past_end": without a pattern a row whose candidates are used up
                                 // goes on with others, and its number of weights may change
  bool parity_nm_lowest = false;  // "nm_lowest": with a pattern, the lowest score of the group goes
                                  // even if that adds to the error
};

struct DsnotResult {
  at::Tensor keep;          // [out, in] bool
  at::Tensor error_before;  // [out] float64, as below
  at::Tensor error_after;
  int64_t num_swaps = 0;
};

// A row's error is the sum over its pruned weights of D_j = W_j * mean_j: what they gave the output
// in expectation. While |error| > threshold, at most max_cycles times:
//   regrow the weight, pruned at the start, whose D has the error's sign and the largest
//     |D| / variance^gamma;
//   prune the weight, kept at the start, whose D has the other sign and the lowest |W| * norm;
//   stop instead when the error would change its sign or vanish, or when there is no such weight.
// With a pattern the weight to prune is looked for in the group of the regrown one; a weight whose
// group has none is passed over.
//   keep     [out_features, in_features]  bool, true = kept: the mask to start from; not modified
//   weight   [out_features, in_features]  floating point, dense
//   moments  [in_features]                of the linear's input (calibration/input_moments.h)
// Sums are float64, scores float32 (float64 for float64 weights); of equals the lower column goes
// first. Without a quirk |error| never grows. Rows run in parallel, each by itself.
// Error(kBadInput) on a wrong shape, dtype or range and on values that are not finite.
DsnotResult dsnot_swap(const at::Tensor& keep, const at::Tensor& weight,
                       const ChannelMoments& moments, const DsnotConfig& config);

}  // namespace assay
