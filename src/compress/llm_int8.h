#pragma once
// The weights of LLM.int8(): a row in 8-bit codes with its largest magnitude; no data is needed.
// What makes the method is its product, in which activations are quantized too and outliers are
// not: kernels/int8_mixed.h, Linear::llm_int8. Source: Dettmers et al., NeurIPS 2022,
// arXiv:2208.07339; codes and names follow bitsandbytes.

#include <ATen/core/Tensor.h>

#include "kernels/int8_mixed.h"

namespace assay {

// The settings belong to the method's product; the weights have none.
struct LlmInt8Config {
  double threshold = 6;  // inputs at least this large are outliers; 0 = none is
  kernels::OutlierColumns outliers = kernels::OutlierColumns::kPerRow;
};
kernels::LlmInt8Options product_options(const LlmInt8Config& config);

struct LlmInt8Result {
  at::Tensor codes;   // CB [out_features, in_features] int8, in [-127, 127]
  at::Tensor absmax;  // SCB [out_features] float32: largest |w| of the row
  at::Tensor values;  // [out_features, in_features] float32: CB * (SCB / 127)
};

// Quantizes weight [out_features, in_features] (floating point; not modified) in float32:
// code = round(w * (127 / absmax)), half to even; a row of zeros has absmax 0 and codes 0.
// |w - value| <= absmax / 254, to float32's rounding. Rows in parallel, the same bits for any
// number of threads. Error(kBadInput) on a wrong shape, a weight that is not finite, or a row whose
// largest magnitude is below 1e-30.
LlmInt8Result llm_int8_quantize(const at::Tensor& weight);

// codes [out_features, in_features] int8, absmax [out_features] float32 -> values.
at::Tensor llm_int8_dequantize(const at::Tensor& codes, const at::Tensor& absmax);

// Bits per weight of a row: 8, and 32 for its absmax.
double llm_int8_bits(int64_t in_features);

}  // namespace assay
