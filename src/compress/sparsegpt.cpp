#include "compress/sparsegpt.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace assay {

SweepResult sparsegpt(const at::Tensor& weight, const InverseFactor& factor,
                      const SparseGptConfig& config, const at::Tensor& keep) {
  SweepRules rules;
  rules.block_size = config.block_size;
  rules.exact_count = config.exact_count;
  if (keep.defined()) {
    rules.keep = keep;
  } else if (config.pattern) {
    rules.pattern = config.pattern;
  } else {
    rules.sparsity = config.sparsity;
  }
  if (config.bits < 16) {
    const QuantizerConfig quantizer{
        .bits = config.bits, .group_size = config.group_size, .sym = config.sym, .mse = config.mse};
    rules.quantizer = quantizer;
    rules.group_of_column = consecutive_groups(weight.size(1), config.group_size);
    if (config.group_size == -1) {
      const QuantGrid grid = fit_grid(weight, quantizer);
      rules.grid_time = GridTime::kBefore;
      rules.scale = grid.scale;
      rules.zero = grid.zero;
    }
  }
  return obs_sweep(weight.masked_fill(factor.dead, 0.0), factor.upper, rules);
}

}  // namespace assay
