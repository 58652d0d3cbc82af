#pragma once
// The sweep that SparseGPT and GPTQ share: from left to right each column is pruned or rounded, and
// its error is spread over the columns right of it so that the outputs move least.
//
//   for each column j of a block:   q = 0 where pruned, else w_j, rounded when there is a grid
//                                   e = (w_j - q) / U_jj;   w_k <- w_k - e U_jk  for k > j
//   behind a block:                 W <- W - E_block U_block,  all columns right of it at once
//
// Of every run (docs/methods/sparsegpt.md):  W - W' = E U  and  loss = 1/2 ||E||^2; debug builds
// check the first.
// Sources: Frantar et al., ICLR 2023, arXiv:2210.17323; Frantar & Alistarh, ICML 2023,
// arXiv:2301.00774 (released code).

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "compress/nm_pattern.h"
#include "compress/scalar_quantizer.h"

namespace assay {

// When the grid of a group is fitted.
enum class GridTime {
  kBefore,   // all groups from the weights as they were given
  kOnEntry,  // when the sweep enters a group, from the weights as they are then
  kLazily,   // quirk of the reference: on entry, from weights that lack the updates of this block
};

struct SweepRules {
  int64_t block_size = 128;  // columns between two products; also where `sparsity` is shared out

  // Which weights go; at most one of the three.
  std::optional<double> sparsity;    // of each block, all rows together, by w^2 / U_jj^2
  bool exact_count = false;          // int(n * sparsity) of them, not all <= the threshold
  std::optional<NmPattern> pattern;  // in each row, when the sweep reaches the group
  at::Tensor keep;                   // [out, in] bool: decided by another method

  // The grid of what stays; nothing = it is not rounded. `config.group_size` is not read.
  std::optional<QuantizerConfig> quantizer;
  std::vector<int64_t> group_of_column;  // [in], in the order of the sweep; equal ones lie together
                                         // unless grid_time is kBefore
  GridTime grid_time = GridTime::kOnEntry;
  at::Tensor scale, zero;  // [out, groups] float32 for kBefore
};

struct SweepResult {
  at::Tensor values;       // [out, in] float32
  at::Tensor keep;         // [out, in] bool where the rules prune, else undefined
  at::Tensor codes;        // [out, in] uint8 where the rules round, else undefined
  at::Tensor scale, zero;  // [out, groups] float32, as above
  double loss = 0;         // 1/2 ||E||^2 = 1/2 tr(D (H + delta I) D^T), D = W - W'
};

// weight [out, in] float32, not modified; upper [in, in] float32 as in compress/inverse_factor.h,
// in the same order of columns. Blocks end where a group begins, so that a group's weights are up
// to date when its grid is fitted. Of equal scores of an N:M group the lower column goes first.
// Rows are independent but for the shared threshold, and summed in order: the same bits for any
// number of threads. Error(kBadInput) on a wrong shape, a weight that is not finite or becomes so,
// or a pattern whose M does not divide the block.
SweepResult obs_sweep(const at::Tensor& weight, const at::Tensor& upper, const SweepRules& rules);

// The same one column after another in float64, as the papers write it: the reference of the fast
// one.
SweepResult plain_obs_sweep(const at::Tensor& weight, const at::Tensor& upper,
                            const SweepRules& rules);

// How the sweep is cut: the first column of every block, and behind the last the number of columns.
std::vector<int64_t> sweep_blocks(int64_t in_features, const SweepRules& rules);

}  // namespace assay
