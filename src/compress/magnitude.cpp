#include "compress/magnitude.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "compress/metric.h"
#include "compress/selection.h"

namespace assay {

at::Tensor magnitude_keep_mask(const at::Tensor& weight, const MagnitudeConfig& config) {
  require_finite_matrix(weight, "magnitude: weight");
  const at::Tensor metric = as_metric(weight).abs();
  if (config.pattern) {
    const auto tail = config.parity_nm_tail ? NmTail::kReference : NmTail::kProportional;
    return keep_n_of_m(metric, *config.pattern, tail);
  }
  const int64_t num_pruned = count_to_prune(metric.numel(), config.sparsity);
  if (config.exact_count || num_pruned == metric.numel())
    return keep_largest_of_matrix(metric, num_pruned);
  if (config.sparsity == 0 && !config.parity_zero_ratio) return keep_largest_of_matrix(metric, 0);
  return keep_above_rank(metric, num_pruned);
}

}  // namespace assay
