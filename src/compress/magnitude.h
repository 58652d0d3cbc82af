#pragma once
// Magnitude pruning: the weights closest to zero go; no data is needed.
// Source: the baseline of Sun et al., ICLR 2024 (arXiv:2306.11695) and Frantar & Alistarh, ICML
// 2023 (arXiv:2301.00774).

#include <ATen/core/Tensor.h>

#include <optional>

#include "compress/nm_pattern.h"

namespace assay {

struct MagnitudeConfig {
  double sparsity = 0.5;  // fraction of each matrix to prune, in [0, 1]; a pattern implies it
  // N:M groups along each row instead of one group of the whole matrix.
  std::optional<NmPattern> pattern = std::nullopt;
  bool exact_count = false;  // int(n * sparsity) entries go, instead of all <= the threshold
  // Quirks of the reference (--parity):
  bool parity_zero_ratio =
      false;                    // "zero_ratio": sparsity 0 prunes the smallest entry and its ties
  bool parity_nm_tail = false;  // "nm_tail": a short last group loses M - N entries, as a full one
};

// Mask of the weights that stay (true = keep).
//   weight   [out_features, in_features]  floating point; not modified
//   returns  [out_features, in_features]  bool
// Unstructured, over the whole matrix: prune |w| <= t with t = sorted(|W|)[int(n * sparsity)], so
// at least int(n * sparsity) + 1 entries go; sparsity 0 prunes nothing, sparsity 1 all. With
// exact_count: the int(n * sparsity) smallest, lower index first. N:M: in every group the M - N
// smallest, lower column first; a tail loses floor((M - N) * tail / M). Error(kBadInput) on a wrong
// shape or range, or a weight that is not finite.
at::Tensor magnitude_keep_mask(const at::Tensor& weight, const MagnitudeConfig& config);

}  // namespace assay
