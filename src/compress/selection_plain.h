#pragma once
// The definition that compress/selection.h computes faster: stable sorts, read off the
// specification. Same contract.

#include <ATen/core/Tensor.h>

#include "compress/nm_pattern.h"

namespace assay::plain {

at::Tensor keep_largest_per_row(const at::Tensor& metric, int64_t num_pruned);
at::Tensor keep_largest_of_matrix(const at::Tensor& metric, int64_t num_pruned);
at::Tensor keep_above_rank(const at::Tensor& metric, int64_t rank);
at::Tensor keep_n_of_m(const at::Tensor& metric, NmPattern pattern,
                       NmTail tail = NmTail::kProportional);

}  // namespace assay::plain
