#pragma once
// GPTQ: round column after column; what rounding a column does to the outputs, the columns not yet
// rounded make up for.
// Source: Frantar, Ashkboos, Hoefler, Alistarh, GPTQ: Accurate Post-Training Quantization for
// Generative Pre-trained Transformers, ICLR 2023, arXiv:2210.17323, and its released code.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "compress/inverse_factor.h"
#include "compress/mask_source.h"
#include "compress/nm_pattern.h"
#include "compress/obs_sweep.h"
#include "compress/scalar_quantizer.h"

namespace assay {

// The order in which columns are rounded.
enum class ColumnOrder {
  kGiven,
  kActivation,  // by the Hessian's diagonal, largest first ("act-order", desc_act)
  kGroupAware,  // groups stay together: inside a group by the diagonal, groups by their largest
};

struct GptqConfig : QuantizerConfig {
  bool desc_act = false;         // ColumnOrder::kActivation
  bool act_group_aware = false;  // ColumnOrder::kGroupAware; excludes desc_act
  bool static_groups = false;    // grids of all groups from the weights before the sweep
  bool true_sequential = false;  // inside a block later linears see the rounded earlier ones
  double damp_percent = 0.01;    // of the mean of the Hessian's diagonal
  int64_t block_size = 128;      // columns between two products; moves no code but for rounding
  // A mask of another method: what it prunes is zero, and the sweep makes up for it.
  MaskSource mask = MaskSource::kNone;
  double sparsity = 0.5;  // of the mask
  std::optional<NmPattern> pattern = std::nullopt;
  // Quirk of the reference (--parity lazy_groups): a group that begins inside a block is fitted to
  // weights that lack the updates of that block.
  bool parity_lazy_groups = false;
};

ColumnOrder column_order_of(const GptqConfig& config);

// Columns in the order of the sweep: index k is rounded k-th. Of equal diagonals the lower column
// goes first. diagonal [in]: of the Hessian; group_size -1 = the whole row.
std::vector<int64_t> column_order(const at::Tensor& diagonal, ColumnOrder order,
                                  int64_t group_size);

struct GptqResult {
  at::Tensor values;                     // [out, in] float32
  at::Tensor codes;                      // [out, in] uint8
  at::Tensor scale, zero;                // [out, groups] float32
  std::vector<int64_t> group_of_column;  // "g_idx": column j uses scale[:, group_of_column[j]]
  double loss = 0;                       // 1/2 tr(D (H + delta I) D^T), D = W - W'
};

// weight [out, in] float32, not modified. `order` as column_order gives it, and `factor` that of
// the Hessian in that order. `keep` [out, in] bool, where defined: other weights become zero, and
// the sweep makes up for them (the mask of config is not looked at). Whole rows: the grid is that
// of the weight as given. Columns whose input is dead become zero. Errors as in obs_sweep.
GptqResult gptq(const at::Tensor& weight, const InverseFactor& factor,
                const std::vector<int64_t>& order, const GptqConfig& config,
                const at::Tensor& keep = {});

}  // namespace assay
