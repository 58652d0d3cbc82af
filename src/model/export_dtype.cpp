#include "model/export_dtype.h"

#include <ATen/ATen.h>

#include <array>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "model/stored_tensor.h"

namespace assay {
namespace {

constexpr std::array kExportDtypes{ExportDtype{"float32", "F32", at::kFloat},
                                   ExportDtype{"bfloat16", "BF16", at::kBFloat16},
                                   ExportDtype{"float16", "F16", at::kHalf}};

}  // namespace

const ExportDtype& export_dtype(const std::string& name) {
  std::vector<std::string_view> names;
  for (const auto& dtype : kExportDtypes) {
    if (dtype.name == name) return dtype;
    names.push_back(dtype.name);
  }
  fail(ErrorKind::kBadInput, "cannot save in dtype '", name, "'", suggest(name, names));
}

at::Tensor as_exported(const at::Tensor& tensor, const ExportDtype& dtype,
                       const std::string& name) {
  auto stored = tensor.detach().to(at::kCPU, dtype.type).contiguous();
  require_finite(stored, name);
  return stored;
}

}  // namespace assay
