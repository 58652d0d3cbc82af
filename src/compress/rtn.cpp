#include "compress/rtn.h"

#include <ATen/ATen.h>

namespace assay {

RtnResult rtn_quantize(const at::Tensor& weight, const RtnConfig& config) {
  RtnResult result;
  result.grid = fit_grid(weight, config);
  result.codes = quantize(weight, result.grid);
  result.values = dequantize(result.codes, result.grid);
  return result;
}

}  // namespace assay
