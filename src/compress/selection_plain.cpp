#include "compress/selection_plain.h"

#include <ATen/ATen.h>

#include "compress/selection.h"

namespace assay::plain {
namespace {

// The sort puts NaN last and -0.0 beside +0.0; being stable it breaks ties by index.
at::Tensor ascending_columns(const at::Tensor& metric) {
  return std::get<1>(metric.sort(/*stable=*/true, /*dim=*/1, /*descending=*/false));
}

}  // namespace

at::Tensor keep_largest_per_row(const at::Tensor& metric, int64_t num_pruned) {
  const auto keep = at::ones(metric.sizes(), metric.options().dtype(at::kBool));
  return keep.scatter(1, ascending_columns(metric).narrow(1, 0, num_pruned), false)
      .logical_or(metric.isnan());
}

at::Tensor keep_largest_of_matrix(const at::Tensor& metric, int64_t num_pruned) {
  return keep_largest_per_row(metric.reshape({1, -1}), num_pruned).view(metric.sizes());
}

at::Tensor keep_above_rank(const at::Tensor& metric, int64_t rank) {
  const auto sorted = std::get<0>(metric.flatten().sort());
  const auto threshold = sorted[rank];
  if (threshold.isnan().item<bool>()) return metric.isnan();
  return (metric <= threshold).logical_not();
}

at::Tensor keep_n_of_m(const at::Tensor& metric, NmPattern pattern, NmTail tail) {
  const int64_t rows = metric.size(0), m = pattern.of, tail_width = metric.size(1) % m;
  const int64_t full = metric.size(1) - tail_width;
  const auto groups = metric.narrow(1, 0, full).reshape({-1, m});  // one group a row
  const auto keep =
      keep_largest_per_row(groups, num_pruned_of_group(pattern, m, tail)).view({rows, full});
  if (tail_width == 0) return keep;
  const int64_t tail_pruned = num_pruned_of_group(pattern, tail_width, tail);
  return at::cat({keep, keep_largest_per_row(metric.narrow(1, full, tail_width), tail_pruned)}, 1);
}

}  // namespace assay::plain
