#include "compress/llm_int8.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "compress/metric.h"

namespace assay {

kernels::LlmInt8Options product_options(const LlmInt8Config& config) {
  return {.threshold = static_cast<float>(config.threshold), .outliers = config.outliers};
}

LlmInt8Result llm_int8_quantize(const at::Tensor& weight) {
  require_finite_matrix(weight, "llm_int8: weight");
  const auto in_order = weight.to(at::kFloat).contiguous();
  const int64_t rows = weight.size(0), cols = weight.size(1);
  LlmInt8Result result{at::empty({rows, cols}, at::kChar), at::empty({rows}, at::kFloat), {}};
  kernels::quantize_rows_int8(in_order.const_data_ptr<float>(), rows, cols,
                              result.codes.mutable_data_ptr<int8_t>(),
                              result.absmax.mutable_data_ptr<float>());
  result.values = llm_int8_dequantize(result.codes, result.absmax);
  return result;
}

at::Tensor llm_int8_dequantize(const at::Tensor& codes, const at::Tensor& absmax) {
  require(codes.dim() == 2 && codes.scalar_type() == at::kChar &&
              absmax.scalar_type() == at::kFloat &&
              absmax.sizes() == at::IntArrayRef({codes.size(0)}),
          "llm_int8: int8 codes [out, in] need float32 absmax [out], got ", codes.scalar_type(),
          " ", codes.sizes(), " and ", absmax.scalar_type(), " ", absmax.sizes());
  return codes.to(at::kFloat) * (absmax / 127).unsqueeze(1);
}

double llm_int8_bits(int64_t in_features) {
  require(in_features > 0, "llm_int8: in_features must be positive, got ", in_features);
  return 8 + 32 / static_cast<double>(in_features);
}

}  // namespace assay
