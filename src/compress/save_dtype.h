#pragma once
// The type in which a compressed checkpoint is stored.

#include <ATen/core/Tensor.h>

#include <string>

namespace assay {

// "float32", "bfloat16" or "float16". Error(kBadInput) names the nearest.
at::ScalarType save_type(const std::string& name);

// The values that are left when `tensor` (float32) is stored as `type`: float32. Error(kBadInput),
// naming `name`, when a finite value overflows.
at::Tensor as_stored(const at::Tensor& tensor, at::ScalarType type, const std::string& name);

}  // namespace assay
