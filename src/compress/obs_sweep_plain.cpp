#include <ATen/ATen.h>

#include <cmath>

#include "base/error.h"
#include "compress/group_grid.h"
#include "compress/obs_sweep.h"
#include "compress/selection.h"
#include "compress/selection_plain.h"

namespace assay {
namespace {

// [rows, width] bool: what stays of columns first ... by w^2 / U_jj^2.
at::Tensor kept_of(const at::Tensor& w, const at::Tensor& upper, int64_t first, int64_t width,
                   const SweepRules& rules) {
  const auto score =
      (w.narrow(1, first, width).square() / upper.diagonal().narrow(0, first, width).square())
          .contiguous();
  if (rules.pattern) return plain::keep_n_of_m(score, *rules.pattern, NmTail::kProportional);
  const int64_t rank = count_to_prune(score.numel(), *rules.sparsity);
  if (rules.exact_count || rank == 0 || rank == score.numel()) {
    return plain::keep_largest_of_matrix(score, rank);
  }
  return plain::keep_above_rank(score, rank);
}

struct GridOfRow {
  at::Tensor scale, zero;  // [rows] float64
};

GridOfRow fit(const at::Tensor& values, const QuantizerConfig& config) {
  GridOfRow grid{at::empty({values.size(0)}, at::kDouble),
                 at::empty({values.size(0)}, at::kDouble)};
  const auto floats = values.to(at::kFloat).contiguous();
  for (int64_t row = 0; row < values.size(0); ++row) {
    const GroupGrid fitted = fit_group(
        {floats[row].const_data_ptr<float>(), static_cast<size_t>(values.size(1))}, config);
    grid.scale[row] = static_cast<double>(fitted.scale);
    grid.zero[row] = static_cast<double>(fitted.zero);
  }
  return grid;
}

}  // namespace

SweepResult plain_obs_sweep(const at::Tensor& weight, const at::Tensor& upper,
                            const SweepRules& rules) {
  auto w = weight.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
  const auto u = upper.to(at::kDouble);
  const int64_t cols = w.size(1);
  SweepResult result;
  result.keep = rules.keep.defined() ? rules.keep.clone() : at::ones(w.sizes(), at::kBool);
  result.codes = at::zeros(w.sizes(), at::kDouble);
  auto errors = at::zeros_like(w);
  std::vector<GridOfRow> grids;
  const std::vector<int64_t> blocks = sweep_blocks(cols, rules);
  for (size_t b = 0; b + 1 < blocks.size(); ++b) {
    const auto at_start = w.clone();
    if (rules.sparsity) {
      const int64_t width = blocks[b + 1] - blocks[b];
      result.keep.narrow(1, blocks[b], width).copy_(kept_of(w, u, blocks[b], width, rules));
    }
    for (int64_t j = blocks[b]; j < blocks[b + 1]; ++j) {
      if (rules.pattern && j % rules.pattern->of == 0) {
        const int64_t width = std::min(rules.pattern->of, cols - j);
        result.keep.narrow(1, j, width).copy_(kept_of(w, u, j, width, rules));
      }
      auto q = at::where(result.keep.select(1, j), w.select(1, j), 0.0);
      if (rules.quantizer) {
        const auto& group_of = rules.group_of_column;
        const auto group = static_cast<size_t>(group_of[static_cast<size_t>(j)]);
        const bool enters =
            j == 0 || group_of[static_cast<size_t>(j - 1)] != static_cast<int64_t>(group);
        if (grids.size() <= group) grids.resize(group + 1);
        if (rules.grid_time == GridTime::kBefore) {
          const auto at = static_cast<int64_t>(group);
          grids[group] = {rules.scale.select(1, at).to(at::kDouble),
                          rules.zero.select(1, at).to(at::kDouble)};
        } else if (enters) {
          const int64_t width = std::ranges::count(group_of, static_cast<int64_t>(group));
          const auto& source = rules.grid_time == GridTime::kLazily ? at_start : w;
          auto values = source.narrow(1, j, width).clone();
          if (!rules.pattern) values *= result.keep.narrow(1, j, width);
          grids[group] = fit(values, *rules.quantizer);
        }
        const GridOfRow& grid = grids[group];
        const auto code = ((q / grid.scale).round() + grid.zero)
                              .clamp(0.0, static_cast<double>(max_code_of(*rules.quantizer)));
        result.codes.select(1, j).copy_(code);
        q = grid.scale * (code - grid.zero);
      }
      const auto error = (w.select(1, j) - q) / u[j][j];
      errors.select(1, j).copy_(error);
      w.narrow(1, j, cols - j) -= at::outer(error, u[j].narrow(0, j, cols - j));
      w.select(1, j).copy_(q);
    }
  }
  result.loss = 0.5 * errors.square().sum().item<double>();
  result.values = w;
  result.codes = result.codes.to(at::kByte);
  return result;
}

}  // namespace assay
