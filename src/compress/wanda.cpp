#include "compress/wanda.h"

#include <ATen/ATen.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/every_isa.h"
#include "compress/metric.h"
#include "compress/selection.h"

namespace assay {
namespace {

at::Tensor wanda_score(const at::Tensor& weight, const at::Tensor& input_norm) {
  const at::Tensor w = as_metric(weight);
  return w.abs().mul_(input_norm.to(w.scalar_type()));  // [out, in]
}

// The score of one row; whether all of it is finite.
ASSAY_EVERY_ISA bool score_row(const float* weight, const float* norm, int64_t count,
                               float* score) {
  int32_t num_finite = 0;
#pragma omp simd reduction(+ : num_finite)
  for (int64_t j = 0; j < count; ++j) {
    score[j] = std::abs(weight[j]) * norm[j];
    num_finite += score[j] <= std::numeric_limits<float>::max() ? 1 : 0;
  }
  return num_finite == count;
}

// The mask of rows with the score as above, computed row by row; nothing where a score is not
// finite.
std::optional<at::Tensor> keep_of_rows(const at::Tensor& weight, const at::Tensor& input_norm,
                                       int64_t num_pruned) {
  const int64_t cols = weight.size(1);
  const at::Tensor w = weight.contiguous(), norm = input_norm.to(at::kFloat).contiguous();
  const float *weights = w.const_data_ptr<float>(), *norms = norm.const_data_ptr<float>();
  std::atomic<bool> is_finite = true;
  const auto score_of = [&](int64_t row, float* score) -> const float* {
    if (!score_row(weights + row * cols, norms, cols, score)) is_finite = false;
    return score;
  };
  const at::Tensor keep = keep_largest_per_row(weight.size(0), cols, score_of, num_pruned);
  return is_finite ? std::optional(keep) : std::nullopt;
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
  // By rows, a weight that is not finite shows in its score.
  const bool by_rows =
      weight.dim() == 2 && weight.scalar_type() == at::kFloat && !config.alpha && !config.pattern;
  if (!by_rows) require_finite_matrix(weight, "wanda: weight");
  const int64_t in_features = weight.size(1);
  require(input_norm.dim() == 1 && input_norm.size(0) == in_features, "wanda: weight ",
          weight.sizes(), " needs input_norm [", in_features, "], got ", input_norm.sizes());
  require((at::isfinite(input_norm) & (input_norm >= 0)).all().item<bool>(),
          "wanda: input_norm has a negative or non-finite entry");
  require(!(config.alpha && config.pattern),
          "wanda: the alpha variant is unstructured and takes no pattern");
  const int64_t num_pruned = count_to_prune(in_features, config.sparsity);
  if (by_rows) {
    if (const auto keep = keep_of_rows(weight, input_norm, num_pruned)) return *keep;
    require_finite_matrix(weight, "wanda: weight");
  }
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
