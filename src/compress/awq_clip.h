#pragma once
// AWQ's search for the range of every group: weights beyond a bound m are clamped to it where that
// lets the rest be rounded more finely.
//   err(m) = sum over tokens of (x_g . (Q(clamp(w_g, -m, m)) - w_g))^2 = d G_gg d^T
//   m = max |w_g| * (1 - i / 20), i = 0 .. 9; the least err, the largest m of equals
// The Gram matrix G_gg of a group's inputs is formed once, so that tokens no longer count. Source:
// the released code of Lin et al., MLSys 2024, arXiv:2306.00978.

#include <ATen/core/Tensor.h>

#include "compress/awq_quantizer.h"

namespace assay {

inline constexpr int64_t kAwqClipSteps = 10;

// The tokens that the search looks at: rows 0, n, 2n, ... with n = max(1, floor(tokens / 512)), so
// between 512 and 1023 of many.
at::Tensor awq_clip_sample(const at::Tensor& inputs);

// The steps i [rows, groups] uint8 of the best bounds.
//   weight  [rows, cols]    float32
//   inputs  [tokens, cols]  float32, the sample
// Products in float32 in the fixed order of kernels/gemm.h: the same bits for any number of
// threads. Error(kBadInput) on a wrong shape or dtype, or a value that is not finite.
at::Tensor awq_clip_steps(const at::Tensor& weight, const at::Tensor& inputs,
                          const AwqQuantizerConfig& config);

// Its definition, token by token in float64. For tests and benchmarks.
at::Tensor awq_clip_steps_plain(const at::Tensor& weight, const at::Tensor& inputs,
                                const AwqQuantizerConfig& config);

// The bounds m [rows, groups] float32 that steps stand for, and the weight clamped to them.
at::Tensor awq_clip_bounds(const at::Tensor& weight, const at::Tensor& steps,
                           const AwqQuantizerConfig& config);
at::Tensor awq_clip(const at::Tensor& weight, const at::Tensor& bounds,
                    const AwqQuantizerConfig& config);

}  // namespace assay
