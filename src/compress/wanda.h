#pragma once
// Wanda: prune by weight times the norm of its input, row by row.
// Source: Sun et al., A Simple and Effective Pruning Approach for Large Language Models, ICLR 2024,
// arXiv:2306.11695.

#include <ATen/core/Tensor.h>

#include <optional>

#include "compress/nm_pattern.h"

namespace assay {

struct WandaConfig {
  double sparsity = 0.5;  // fraction of every output row to prune, in [0, 1]; a pattern implies it
  std::optional<NmPattern> pattern = std::nullopt;  // N:M groups along each row
  bool alpha = false;  // the paper's variant: one threshold on the cumulated score for all rows
  // Quirks of the reference (--parity):
  bool parity_nm_tail = false;       // "nm_tail": a short last group loses M - N, as a full one
  bool parity_alpha_wrap = false;    // "alpha_wrap": a row where nothing meets the bound goes whole
  bool parity_running_mean = false;  // "running_mean": norms by calibration's float32 running mean
};

// Mask of the weights that Wanda keeps (true = keep): in each output row, the int(sparsity *
// in_features) entries with the smallest |W_ij| * ||X_j|| go; with a pattern, the M - N smallest of
// every group.
//   weight      [out_features, in_features]  floating point; not modified
//   input_norm  [in_features]                sqrt(a_j), a_j = mean over sequences of the sum of
//   x_j^2 over tokens returns     [out_features, in_features]  bool
// Scores are float32 (float64 for float64 weights). Of equal scores the lower column goes first.
// Error(kBadInput) on a wrong shape or range, a negative or non-finite norm, a weight or score that
// is not finite.
at::Tensor wanda_keep_mask(const at::Tensor& weight, const at::Tensor& input_norm,
                           const WandaConfig& config);

}  // namespace assay
