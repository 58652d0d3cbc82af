#include "compress/metric.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.h"

namespace assay {

at::Tensor as_metric(const at::Tensor& values) {
  return values.scalar_type() == at::kDouble ? values : values.to(at::kFloat);
}

void require_finite_matrix(const at::Tensor& values, std::string_view what) {
  require(values.dim() == 2 && values.numel() > 0, what, " must be [out, in] and not empty, got ",
          values.sizes());
  require(at::isFloatingType(values.scalar_type()), what, " must be floating point, got ",
          values.scalar_type());
  const auto [low, high] = values.aminmax();  // both are NaN when one entry is
  if (std::isfinite(low.item<double>()) && std::isfinite(high.item<double>())) return;
  const auto first = at::isfinite(values).logical_not().nonzero()[0];
  const auto row = first[0].item<int64_t>(), col = first[1].item<int64_t>();
  fail(ErrorKind::kBadInput, what,
       " has a value that is not finite: ", values[row][col].item<double>(), " at [", row, ", ",
       col, "]");
}

}  // namespace assay
