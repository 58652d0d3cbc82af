#pragma once
// The types in which exports store floating-point tensors.

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>

namespace assay {

struct ExportDtype {
  std::string_view name, stored;  // "bfloat16", and "BF16" in a file
  at::ScalarType type = at::kFloat;
};

// "float32", "bfloat16", "float16"; Error(kBadInput) on another name.
const ExportDtype& export_dtype(const std::string& name);

// Rounded to nearest even, contiguous. Error(kCorruptFile) names the tensor where a value is not
// finite in the dtype.
at::Tensor as_exported(const at::Tensor& tensor, const ExportDtype& dtype, const std::string& name);

}  // namespace assay
