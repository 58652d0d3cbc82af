#include "compress/wanda.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.h"
#include "compress/metric.h"
#include "compress/selection.h"

namespace assay {
namespace {

at::Tensor wanda_score(const at::Tensor& weight, const at::Tensor& input_norm) {
  const at::Tensor w = as_metric(weight);
  return w.abs().mul_(input_norm.to(w.scalar_type()));  // [out, in]
}

// Rows sorted once; a mask for every alpha that the bisection tries.
struct AlphaRows {
  at::Tensor score, sorted, cumulative, total;  // [out, in] x3, [out, 1]
};

// The variant's mask: row threshold = the largest sorted score whose cumulative sum is <= alpha *
// total of the row.
at::Tensor alpha_keep_mask(const AlphaRows& rows, double alpha, bool wrap) {
  const auto num_within =
      (rows.cumulative <= rows.total * alpha).sum(1, /*keepdim=*/true);  // [out, 1]
  const auto none = num_within == 0;
  const auto last = num_within.clamp_min(1) - 1;
  auto threshold = rows.sorted.gather(1, last);
  const at::Tensor without = wrap ? rows.sorted.amax(1, true) : at::full_like(threshold, -1.0);
  threshold = at::where(none, without, threshold);
  return rows.score > threshold;
}

// Bisection for the one alpha that reaches the sparsity, with the reference's start, bracket and
// stop.
at::Tensor alpha_mask_for_sparsity(const at::Tensor& score, const WandaConfig& config) {
  constexpr double kTolerance = 0.001;
  const auto sorted = std::get<0>(score.sort(/*stable=*/true, 1, false));
  const AlphaRows rows{score, sorted, sorted.to(at::kDouble).cumsum(1),
                       score.to(at::kDouble).sum(1, true)};
  double alpha = 0.4, low = 0, high = 0.8;
  while (true) {
    const auto keep = alpha_keep_mask(rows, alpha, config.parity_alpha_wrap);
    const double sparsity = 1 - keep.to(at::kDouble).mean().item<double>();
    if (std::abs(sparsity - config.sparsity) <= kTolerance || high - low < kTolerance) return keep;
    (sparsity > config.sparsity ? high : low) = alpha;
    alpha = sparsity > config.sparsity ? (alpha + low) / 2 : (alpha + high) / 2;
  }
}

}  // namespace

at::Tensor wanda_keep_mask(const at::Tensor& weight, const at::Tensor& input_norm,
                           const WandaConfig& config) {
  require_finite_matrix(weight, "wanda: weight");
  const int64_t in_features = weight.size(1);
  require(input_norm.dim() == 1 && input_norm.size(0) == in_features, "wanda: weight ",
          weight.sizes(), " needs input_norm [", in_features, "], got ", input_norm.sizes());
  require((at::isfinite(input_norm) & (input_norm >= 0)).all().item<bool>(),
          "wanda: input_norm has a negative or non-finite entry");
  require(!(config.alpha && config.pattern),
          "wanda: the alpha variant is unstructured and takes no pattern");
  const int64_t num_pruned = count_to_prune(in_features, config.sparsity);
  const at::Tensor score = wanda_score(weight, input_norm);
  require_finite_matrix(score, "wanda: score");  // finite factors may still overflow
  if (config.pattern) {
    const auto tail = config.parity_nm_tail ? NmTail::kReference : NmTail::kProportional;
    return keep_n_of_m(score, *config.pattern, tail);
  }
  if (config.alpha) return alpha_mask_for_sparsity(score, config);
  return keep_largest_per_row(score, num_pruned);
}

}  // namespace assay
