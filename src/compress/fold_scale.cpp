#include "compress/fold_scale.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace assay {
namespace {

void check_scale(const at::Tensor& scale) {
  require(scale.dim() == 1 && scale.numel() > 0 && scale.scalar_type() == at::kFloat,
          "fold: a scale must be float32 [channels], got ", scale.scalar_type(), " ",
          scale.sizes());
  require((at::isfinite(scale) & (scale > 0)).all().item<bool>(),
          "fold: a scale must be positive and finite");
}

}  // namespace

at::Tensor fold_into_norm(const at::Tensor& norm, const at::Tensor& scale) {
  check_scale(scale);
  require(norm.sizes() == scale.sizes() && norm.scalar_type() == at::kFloat, "fold: a norm of ",
          norm.sizes(), " cannot take a scale of ", scale.sizes());
  return norm / scale;
}

at::Tensor fold_into_last_rows(const at::Tensor& weight, const at::Tensor& scale) {
  check_scale(scale);
  require(
      weight.dim() == 2 && weight.scalar_type() == at::kFloat && weight.size(0) >= scale.size(0),
      "fold: a producer of ", weight.sizes(), " has no ", scale.size(0), " rows to divide");
  auto folded = weight.clone();
  folded.narrow(0, weight.size(0) - scale.size(0), scale.size(0)).div_(scale.unsqueeze(1));
  return folded;
}

at::Tensor scale_columns(const at::Tensor& weight, const at::Tensor& scale) {
  check_scale(scale);
  require(
      weight.dim() == 2 && weight.scalar_type() == at::kFloat && weight.size(1) == scale.size(0),
      "fold: a consumer of ", weight.sizes(), " cannot take a scale of ", scale.sizes());
  return weight * scale;
}

}  // namespace assay
