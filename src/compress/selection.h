#pragma once
// Which entries of a metric survive. Every function returns a bool mask of the metric's shape, true
// = keep, and orders entries by (value, index): of equal values the lower index is pruned first,
// -0.0 equals +0.0, and a NaN ranks above everything and is never pruned (callers refuse NaN before
// they come here).
//
//   metric  [rows, cols]  float32 or float64, on the CPU; not modified
//
// float32 is selected over an order-preserving integer image of the values: rows by bisection, in
// parallel, a whole matrix by histograms, in linear time, the same mask for any number of threads;
// float64 takes the sorting definition of compress/selection_plain.h. Error(kBadInput) on another
// dtype, another rank or a count out of range.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "compress/nm_pattern.h"

namespace assay {

// int(n * sparsity), evaluated in double and truncated as the reference programs do: 0.29 of 100
// is 28. Error(kBadInput) unless sparsity is in [0, 1].
int64_t count_to_prune(int64_t n, double sparsity);

// Prunes the `num_pruned` smallest entries of every row.
at::Tensor keep_largest_per_row(const at::Tensor& metric, int64_t num_pruned);

// The same of a float32 metric that is computed row by row: `metric_of` gives the row's [cols], in
// the scratch [cols] that it is handed or elsewhere. Called once for each row, from several
// threads.
using MetricOfRow = std::function<const float*(int64_t row, float* scratch)>;
at::Tensor keep_largest_per_row(int64_t rows, int64_t cols, const MetricOfRow& metric_of,
                                int64_t num_pruned);

// Prunes the `num_pruned` smallest entries of the whole matrix (index = row * cols + col).
at::Tensor keep_largest_of_matrix(const at::Tensor& metric, int64_t num_pruned);

// Prunes every entry <= t, where t is the entry of rank `rank` (0-based) in ascending order of the
// whole matrix: at least rank + 1 entries, and all that tie with t.
at::Tensor keep_above_rank(const at::Tensor& metric, int64_t rank);

// Prunes the M - N smallest entries of every aligned group of M columns.
at::Tensor keep_n_of_m(const at::Tensor& metric, NmPattern pattern,
                       NmTail tail = NmTail::kProportional);

// How many entries of a group of `width` columns go: M - N of a full one, else by the rule for the
// tail.
int64_t num_pruned_of_group(NmPattern pattern, int64_t width, NmTail tail);

}  // namespace assay
