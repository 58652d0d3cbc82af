#pragma once
// SparseGPT: prune where the outputs suffer least when the weights that stay make up for those that
// go; on request the ones that stay are rounded in the same sweep.
// Source: Frantar & Alistarh, SparseGPT: Massive Language Models Can be Accurately Pruned in
// One-Shot, ICML 2023, arXiv:2301.00774.

#include <ATen/core/Tensor.h>

#include <optional>

#include "compress/inverse_factor.h"
#include "compress/mask_source.h"
#include "compress/nm_pattern.h"
#include "compress/obs_sweep.h"

namespace assay {

struct SparseGptConfig {
  double sparsity = 0.5;  // of every block of columns, in [0, 1]; a pattern implies it
  std::optional<NmPattern> pattern = std::nullopt;  // N:M groups along each row
  int64_t block_size = 128;    // columns that share the sparsity, all rows together
  double damp_percent = 0.01;  // of the mean of the Hessian's diagonal
  bool exact_count = false;    // int(n * sparsity) of a block go, instead of all <= the threshold
  // Joint quantization of what stays: 16 = none; 1 to 8 as in compress/scalar_quantizer.h.
  int64_t bits = 16;
  int64_t group_size = -1;  // -1 = the whole row, its grid from the weights as given
  bool sym = false;
  bool mse = false;
  MaskSource mask = MaskSource::kNone;  // a mask of another method; SparseGPT only makes up for it
};

// weight [out, in] float32, not modified; `factor` of the Hessian of its inputs. Columns whose
// input is dead become zero. Unstructured: of each block of block_size columns, all rows together,
// the weights with w^2 / U_jj^2 <= t go, t = sorted[int(n * sparsity)] (sparsity 0 prunes nothing);
// N:M: the M - N smallest of each group of a row, when the sweep reaches it. A joint grid with
// groups is fitted when the sweep enters the group, to the weights that stay. Errors as in
// obs_sweep. `keep` [out, in] bool, where defined, is the mask instead of config's sparsity and
// pattern.
SweepResult sparsegpt(const at::Tensor& weight, const InverseFactor& factor,
                      const SparseGptConfig& config, const at::Tensor& keep = {});

}  // namespace assay
