#pragma once
// y = x W^T in float32 with a fixed order of summation.
//
// in_features is cut into n = ceil(in / 320) chunks of ceil(in / n) (the last may be shorter). An
// element is
//   sum over chunks, in order, of the chain  s = fma(x_k, w_k, s)  from s = 0, k ascending.
// (where y is added to or subtracted from, one chain after the other is). Neither the number of
// rows, nor tiles, threads or instruction set change a bit of it.

#include <cstdint>
#include <memory>

#include "kernels/isa.h"

namespace assay::kernels {

// A weight [out_features, in_features] in panels of `panel_width` output features:
// [panel][in_features][panel_width], the last panel filled up with zeros, aligned to 64 bytes.
struct PackedWeight {
  int64_t in_features = 0;
  int64_t out_features = 0;
  int64_t panel_width = 16;
  Isa isa = Isa::kPortable;
  std::shared_ptr<float[]> panels;
  int64_t capacity = 0;  // floats at `panels`

  int64_t num_panels() const { return (out_features + panel_width - 1) / panel_width; }
};

// `weight` is row-major [out_features, in_features].
PackedWeight pack_weight(const float* weight, int64_t out_features, int64_t in_features,
                         Isa isa = best_isa());

// The same for parts of a matrix: rows of `weight` lie `stride` floats apart.
PackedWeight pack_weight(const float* weight, int64_t stride, int64_t out_features,
                         int64_t in_features, Isa isa);

// The same for the transpose: row-major [in_features, out_features], rows `stride` floats apart.
PackedWeight pack_transposed(const float* weight, int64_t stride, int64_t out_features,
                             int64_t in_features, Isa isa = best_isa());

// The same in the memory of a weight that is not needed any more, where it suffices: fresh pages
// cost as much as packing.
void repack_transposed(PackedWeight& packed, const float* weight, int64_t stride,
                       int64_t out_features, int64_t in_features, Isa isa = best_isa());

enum class Output { kWrite, kAdd, kSubtract };  // y = x W^T, y += x W^T or y -= x W^T

// x [num_rows, in_features] -> y [num_rows, out_features], both row-major. Threads:
// base/thread_pool.
void multiply(const PackedWeight& weight, const float* x, int64_t num_rows, float* y,
              Output output = Output::kWrite);

// The same where rows of x lie `x_stride` floats apart, and those of y `y_stride`.
void multiply(const PackedWeight& weight, const float* x, int64_t x_stride, int64_t num_rows,
              float* y, int64_t y_stride, Output output);

// Columns of panels [first_panel, last_panel) of y for some rows, on the calling thread: y has
// `y_stride` floats a row and starts at the first panel's first column.
void multiply_panels(const PackedWeight& weight, const float* x, int64_t num_rows,
                     int64_t first_panel, int64_t last_panel, float* y, int64_t y_stride,
                     Output output = Output::kWrite);

// The same where x is given as its transpose: row-major [in_features, num_rows], rows `x_stride`
// floats apart.
void multiply_panels_transposed(const PackedWeight& weight, const float* x, int64_t x_stride,
                                int64_t num_rows, int64_t first_panel, int64_t last_panel, float* y,
                                int64_t y_stride, Output output);

// Rows that multiply_panels works on best at a time (their inputs stay in the second cache).
inline constexpr int64_t kRowBlock = 120;

}  // namespace assay::kernels
