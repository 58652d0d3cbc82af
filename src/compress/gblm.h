#pragma once
// GBLM: Wanda's score plus a first-order term from the gradients of the loss, row by row.
// Source: Das et al., Beyond Size: How Gradients Shape Pruning Decisions in Large Language Models,
// arXiv:2311.04902, and its released code.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "calibration/gradients.h"
#include "compress/nm_pattern.h"

namespace assay {

enum class GblmScore {
  kBlend,     // |W| * ||X_j|| + |W| * alpha * G
  kGradient,  // |W| * alpha * G; the input norm has no say
  kInverse,   // |W| * ||X_j|| / (alpha * G + 1e-8)
};

struct GblmConfig {
  double sparsity = 0.5;  // fraction of every output row to prune, in [0, 1]; a pattern implies it
  std::optional<NmPattern> pattern = std::nullopt;  // N:M groups along each row
  GblmScore score = GblmScore::kBlend;
  GradientNorm norm = GradientNorm::kL2;  // which aggregate G is
  double alpha = 100;                     // weight of the gradient, >= 0 and finite
  // Quirks of the reference (--parity):
  bool parity_nm_tail = false;       // "nm_tail": a short last group loses M - N, as a full one
  bool parity_sample_count = false;  // "sample_count": G is not rescaled to 128 samples
  bool parity_half = false;  // "half_gradient": G is float16 and holds alpha (GradientOptions::
                             // reference_scale); |W| * G and 1 / (G + 1e-8) round to float16
};

// By what G is multiplied so that the two terms weigh as with the reference's 128 samples: G sums
// over samples, ||X_j||^2 averages over them. 128 / S for L1, sqrt(128 / S) for L2.
double gblm_sample_scale(GradientNorm norm, int64_t num_samples);

// The score by which weights are kept.
//   weight       [out_features, in_features]  floating point; not modified
//   input_norm   [in_features]                as for Wanda (compress/wanda.h)
//   gradient     [out_features, in_features]  the aggregate config.norm of calibration/gradients.h:
//                                             float32 or float64, float16 with parity_half
//   num_samples  samples that the gradient sums over
//   returns      [out_features, in_features]  float32 (float64 for float64 weights)
// Error(kBadInput) on a wrong shape, dtype or range, and on a value
// or score that is not finite; with parity_half the inverse score may be infinite (a gradient that
// float16 cannot invert).
at::Tensor gblm_score(const at::Tensor& weight, const at::Tensor& input_norm,
                      const at::Tensor& gradient, int64_t num_samples, const GblmConfig& config);

// Mask of the weights that GBLM keeps (true = keep): in each output row, the int(sparsity *
// in_features) entries with the smallest score go; with a pattern, the M - N smallest of every
// group. Of equal scores the lower column goes first. alpha = 0 gives Wanda's mask. Arguments and
// errors as above.
at::Tensor gblm_keep_mask(const at::Tensor& weight, const at::Tensor& input_norm,
                          const at::Tensor& gradient, int64_t num_samples,
                          const GblmConfig& config);

}  // namespace assay
