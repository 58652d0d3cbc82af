#include "compress/gblm.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.h"
#include "compress/metric.h"
#include "compress/selection.h"

namespace assay {
namespace {

constexpr double kReferenceSamples = 128;
constexpr double kInverseOffset = 1e-8;

void check(const at::Tensor& weight, const at::Tensor& input_norm, const at::Tensor& gradient,
           const GblmConfig& config) {
  require_finite_matrix(weight, "gblm: weight");
  require(input_norm.dim() == 1 && input_norm.size(0) == weight.size(1), "gblm: weight ",
          weight.sizes(), " needs input_norm [", weight.size(1), "], got ", input_norm.sizes());
  require((at::isfinite(input_norm) & (input_norm >= 0)).all().item<bool>(),
          "gblm: input_norm has a negative or non-finite entry");
  require(gradient.sizes() == weight.sizes(), "gblm: weight ", weight.sizes(),
          " needs a gradient of its shape, got ", gradient.sizes());
  require_finite_matrix(gradient, "gblm: gradient");
  require((gradient >= 0).all().item<bool>(), "gblm: the aggregated gradient has a negative entry");
  require((gradient.scalar_type() == at::kHalf) == config.parity_half, "gblm: a gradient of ",
          gradient.scalar_type(), config.parity_half ? " with" : " without",
          " half_gradient; float16 belongs to it");
  require(std::isfinite(config.alpha) && config.alpha >= 0, "gblm: alpha must be >= 0, got ",
          config.alpha);
}

// alpha * G, float32 or float64.
at::Tensor weighted_gradient(const at::Tensor& gradient, at::ScalarType type, int64_t num_samples,
                             const GblmConfig& config) {
  if (config.parity_half) return gradient.to(type);  // holds alpha already
  const double scale =
      config.parity_sample_count ? 1.0 : gblm_sample_scale(config.norm, num_samples);
  return gradient.to(type) * (config.alpha * scale);
}

at::Tensor unchecked_score(const at::Tensor& weight, const at::Tensor& input_norm,
                           const at::Tensor& gradient, int64_t num_samples,
                           const GblmConfig& config) {
  const at::Tensor w = as_metric(weight).abs();
  const auto type = w.scalar_type();
  const at::Tensor g = weighted_gradient(gradient, type, num_samples, config);
  const at::Tensor wanda = w * input_norm.to(type);
  switch (config.score) {
    case GblmScore::kGradient:
      return w * g;
    case GblmScore::kInverse: {
      if (!config.parity_half) return wanda / (g + kInverseOffset);
      // 1e-8 is below float16's smallest number and rounds to zero, and 1 / G overflows below 2e-5.
      return wanda * gradient.reciprocal().to(type);
    }
    case GblmScore::kBlend:
      if (!config.parity_half) return wanda + w * g;
      return wanda + (w.to(at::kHalf) * gradient).to(type);
  }
  fail(ErrorKind::kInternal, "gblm: unknown score");
}

}  // namespace

double gblm_sample_scale(GradientNorm norm, int64_t num_samples) {
  require(num_samples > 0, "gblm: the number of samples must be positive, got ", num_samples);
  const double ratio = kReferenceSamples / static_cast<double>(num_samples);
  return norm == GradientNorm::kL1 ? ratio : std::sqrt(ratio);
}

at::Tensor gblm_score(const at::Tensor& weight, const at::Tensor& input_norm,
                      const at::Tensor& gradient, int64_t num_samples, const GblmConfig& config) {
  check(weight, input_norm, gradient, config);
  at::Tensor score = unchecked_score(weight, input_norm, gradient, num_samples, config);
  const bool may_be_infinite = config.parity_half && config.score == GblmScore::kInverse;
  if (!may_be_infinite) require_finite_matrix(score, "gblm: score");
  return score;
}

at::Tensor gblm_keep_mask(const at::Tensor& weight, const at::Tensor& input_norm,
                          const at::Tensor& gradient, int64_t num_samples,
                          const GblmConfig& config) {
  const at::Tensor score = gblm_score(weight, input_norm, gradient, num_samples, config);
  const int64_t num_pruned = count_to_prune(weight.size(1), config.sparsity);
  if (config.pattern) {
    const auto tail = config.parity_nm_tail ? NmTail::kReference : NmTail::kProportional;
    return keep_n_of_m(score, *config.pattern, tail);
  }
  return keep_largest_per_row(score, num_pruned);
}

}  // namespace assay
