#include "compress/ria.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/metric.h"
#include "compress/row_blocks.h"
#include "compress/selection.h"

namespace assay {
namespace {

constexpr int64_t kColumns = 64;  // of a task

// sum over rows of |W_ij|, each column in the order of the rows.
std::vector<double> column_sums(const double* w, int64_t rows, int64_t cols) {
  std::vector<double> sums(static_cast<size_t>(cols), 0.0);
  parallel_for((cols + kColumns - 1) / kColumns, [&](int64_t task) {
    const int64_t first = task * kColumns, last = std::min(cols, first + kColumns);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t j = first; j < last; ++j) sums[static_cast<size_t>(j)] += w[row * cols + j];
    }
  });
  return sums;
}

double share(double value, double sum) { return sum == 0 ? 0.0 : value / sum; }

}  // namespace

at::Tensor ria_score(const at::Tensor& weight, const at::Tensor& input_norm, double power) {
  require_finite_matrix(weight, "ria: weight");
  const int64_t rows = weight.size(0), cols = weight.size(1);
  require(input_norm.dim() == 1 && input_norm.size(0) == cols, "ria: weight ", weight.sizes(),
          " needs input_norm [", cols, "], got ", input_norm.sizes());
  require((at::isfinite(input_norm) & (input_norm >= 0)).all().item<bool>(),
          "ria: input_norm has a negative or non-finite entry");
  require(power >= 0 && power <= 2, "ria: power must be in [0, 2], got ", power);

  const at::Tensor absolute = weight.to(at::kDouble).abs().contiguous();
  const at::Tensor factors = input_norm.to(at::kDouble).pow(power).contiguous();
  auto score = at::empty_like(absolute);
  const double *w = absolute.const_data_ptr<double>(), *factor = factors.const_data_ptr<double>();
  double* out = score.mutable_data_ptr<double>();
  const std::vector<double> columns = column_sums(w, rows, cols);
  for_each_row_block(rows, cols, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const double* in = w + row * cols;
      double sum = 0;
      for (int64_t j = 0; j < cols; ++j) sum += in[j];
      for (int64_t j = 0; j < cols; ++j) {
        out[row * cols + j] =
            (share(in[j], columns[static_cast<size_t>(j)]) + share(in[j], sum)) * factor[j];
      }
    }
  });
  score = score.to(as_metric(weight).scalar_type());
  require_finite_matrix(score, "ria: score");
  return score;
}

at::Tensor ria_keep_mask(const at::Tensor& weight, const at::Tensor& input_norm,
                         const RiaConfig& config) {
  const at::Tensor score = ria_score(weight, input_norm, config.power);
  const int64_t num_pruned = count_to_prune(weight.size(1), config.sparsity);
  if (config.pattern) {
    const auto tail = config.parity_nm_tail ? NmTail::kReference : NmTail::kProportional;
    return keep_n_of_m(score, *config.pattern, tail);
  }
  return keep_largest_per_row(score, num_pruned);
}

}  // namespace assay
