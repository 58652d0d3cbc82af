#pragma once
// What the pruning metrics share: their precision and the refusal of numbers that cannot be ranked.

#include <ATen/core/Tensor.h>

#include <string_view>

namespace assay {

// float64 stays, every narrower type becomes float32 (exactly, so ties stay ties).
at::Tensor as_metric(const at::Tensor& values);

// Error(kBadInput) unless `values` is a floating-point matrix without NaN or infinity; `what`
// starts the message, which names the first bad entry.
void require_finite_matrix(const at::Tensor& values, std::string_view what);

}  // namespace assay
