#pragma once
// The scalar quantizer of AWQ: per group of consecutive columns of a row, 2^bits levels between the
// group's own extremes, which are NOT widened to contain 0 (a group of positive weights clips):
//
//   scale = max(max x - min x, 1e-5) / Q,  zero = clamp(-round(min x / scale), 0, Q),  Q = 2^bits -
//   1 symmetric: scale = max(max |x|, 1e-5) / (2^(bits - 1) - 1),  zero = 2^(bits - 1) code(x) =
//   clamp(round(x / scale) + zero, 0, Q),  value(code) = scale * (code - zero)
//
// (The symmetric codes of the paper's program run from -2^(bits - 1); here they are stored with
// that added, the values are the same.) All in float32, with true divisions, rounding half to even.
// Source: Lin et al., MLSys 2024, arXiv:2306.00978, and its released code.

#include <ATen/core/Tensor.h>

#include "compress/scalar_quantizer.h"

namespace assay {

struct AwqQuantizerConfig {
  int64_t bits = 4;          // in [1, 8]; at least 2 where symmetric
  int64_t group_size = 128;  // columns that share a scale, from column 0 on; -1 = the whole row
  bool sym = false;          // no zero point
};

// Error(kBadInput) on a value out of range.
void check_awq_quantizer(const AwqQuantizerConfig& config);

// Columns of a group in a row of `cols`, and how many groups there are; the last may be narrower.
int64_t awq_group_width(int64_t cols, const AwqQuantizerConfig& config);
int64_t awq_num_groups(int64_t cols, const AwqQuantizerConfig& config);

// The grids of weight [rows, cols] (floating point; computed in float32): `quantize` and
// `dequantize` of compress/scalar_quantizer.h take them. Rows in parallel, the same bits for any
// number of threads. Error(kBadInput) on a wrong shape or range, or a weight that is not finite.
QuantGrid fit_awq_grid(const at::Tensor& weight, const AwqQuantizerConfig& config);

// What n weights of one group become: its values on its own grid. `values` may be `x`.
void awq_round_group(const float* x, int64_t n, const AwqQuantizerConfig& config, float* values);

}  // namespace assay
