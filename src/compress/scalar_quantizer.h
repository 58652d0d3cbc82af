#pragma once
// The scalar quantizer of the GPTQ family, shared by round-to-nearest and the methods built on it:
// per group of consecutive columns of a row, 2^bits levels on a uniform grid that contains 0.
//
//   lo = min(min x, 0), hi = max(max x, 0);  symmetric: hi = max(|lo|, hi), lo = -hi;  all zero: lo
//   = -1, hi = +1 scale = (hi - lo) / Q,  zero = symmetric ? (Q + 1) / 2 : round(-lo / scale),  Q =
//   2^bits - 1 code(x) = clamp(round(x / scale) + zero, 0, Q),  value(code) = scale * (code - zero)
//
// All in float32, with true divisions, rounding half to even. Source: the released code of Frantar
// et al., ICLR 2023, arXiv:2210.17323.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "compress/bits_by_tensor.h"

namespace assay {

struct QuantizerConfig {
  int64_t bits = 4;  // in [1, 8]
  int64_t group_size =
      128;           // columns that share a scale, along a row from column 0; -1 = the whole row
  bool sym = false;  // the grid is centred on zero
  // Shrink lo and hi together by 0 % ... 79 % and keep the least sum |error|^2.4 of the group.
  bool mse = false;
  // Quirk of the reference (--parity one_sided): symmetric and no negative value in the group
  // leaves lo = 0, so that values above half the maximum clip.
  bool parity_one_sided = false;
  // Linears with other bits, for who knows their names (the pipeline); fit_grid reads `bits` alone.
  std::vector<BitsOverride> bits_by_tensor = {};
};

// The grid of every group. A row whose width is no multiple of group_size ends in a narrower group.
struct QuantGrid {
  at::Tensor scale;        // [rows, groups] float32, positive
  at::Tensor zero;         // [rows, groups] float32, whole numbers in [0, 2^bits]
  int64_t group_size = 0;  // columns; the last group may hold fewer
  int64_t max_code = 0;    // Q
};

// Fits the grids of weight [rows, cols] (floating point; computed in float32). Rows in parallel,
// the same bits for any number of threads. Error(kBadInput) on a wrong shape or range, or a weight
// that is not finite.
QuantGrid fit_grid(const at::Tensor& weight, const QuantizerConfig& config);

// The group of each column: 0 0 ... 1 1 ..., group_size columns each; one group for -1.
std::vector<int64_t> consecutive_groups(int64_t cols, int64_t group_size);

// Codes [rows, cols] uint8 of `weight` on `grid`, and the float32 values that codes stand for.
at::Tensor quantize(const at::Tensor& weight, const QuantGrid& grid);
at::Tensor dequantize(const at::Tensor& codes, const QuantGrid& grid);

}  // namespace assay
