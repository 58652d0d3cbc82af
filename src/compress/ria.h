#pragma once
// RIA: a weight's share of its column and of its row, times a power of the norm of its input, so
// that no whole channel is pruned away.
// Source: Zhang et al., Plug-and-Play: An Efficient Post-training Pruning Method for Large Language
// Models, ICLR 2024, and its released code. Its channel permutation for N:M is not done here.

#include <ATen/core/Tensor.h>

#include <optional>

#include "compress/nm_pattern.h"

namespace assay {

struct RiaConfig {
  double sparsity = 0.5;  // fraction of every output row to prune, in [0, 1]; a pattern implies it
  std::optional<NmPattern> pattern = std::nullopt;  // N:M groups along each row
  double power = 0.5;  // of the input norm, in [0, 2]; 0 leaves the input out
  // Quirks of the reference (--parity):
  bool parity_nm_tail = false;  // "nm_tail": a short last group loses M - N, as a full one
};

// S_ij = (|W_ij| / sum over rows of |W_rj| + |W_ij| / sum over columns of |W_ic|) * ||X_j||^power
// float32 (float64 for float64 weights), sums in float64 in the order of rows and columns. A share
// of a column or row of zeros is 0.
at::Tensor ria_score(const at::Tensor& weight, const at::Tensor& input_norm, double power);

// Mask of the weights that RIA keeps (true = keep): in each output row, the int(sparsity *
// in_features) entries with the smallest score go; with a pattern, the M - N smallest of every
// group. Shapes, ties and errors as for Wanda (compress/wanda.h).
at::Tensor ria_keep_mask(const at::Tensor& weight, const at::Tensor& input_norm,
                         const RiaConfig& config);

}  // namespace assay
