#pragma once
// The product of LLM.int8(): y = x W^T with 8-bit weights and activations, and the few columns of x
// that hold outliers in float32. Source: Dettmers et al., NeurIPS 2022, arXiv:2208.07339.
//
// Weights are codes c_rj in [-127, 127] with w_rj = c_rj * s_r, s_r = absmax_r / 127. Of row t of
// x, a set O_t of columns is set aside; the rest is quantized to
//   q_tj = round(x_tj * (127 / a_t)),  a_t = max |x_tj| over |x_tj| < threshold,  u_t = a_t / 127
// and an element is, with one rounding each in float32,
//   v_tr = fma(sum over j not in O_t of q_tj c_rj,  u_t * s_r,  chain over j in O_t, ascending,
//   from 0, of fma(x_tj, w_rj, .))
// The sum is exact in int32 (and then rounded to float32). Neither tiles, threads nor instruction
// set change a bit of it.

#include <cstdint>
#include <memory>

#include "kernels/gemm.h"
#include "kernels/isa.h"

namespace assay::kernels {

enum class OutlierColumns {
  kPerRow,  // O_t = columns where this row has |x_tj| >= threshold: a row's result is its own
  kBatch,   // as published: columns where any row of the call has
};

struct LlmInt8Options {
  float threshold = 6;  // positive; 0 sets nothing aside. What is not finite is always set aside,
                        // so that it reaches y
  OutlierColumns outliers = OutlierColumns::kPerRow;
};

// Codes [rows, cols] and absmax [rows] of a row-major weight: code = round(w * (127 / absmax)),
// half to even; a row of zeros has absmax 0 and codes 0. Error(kBadInput) on a weight that is not
// finite and on a row whose largest magnitude is below 1e-30.
void quantize_rows_int8(const float* weight, int64_t rows, int64_t cols, int8_t* codes,
                        float* absmax);

// Codes in panels of `panel_width` output features: [panel][ceil(in / 4)][panel_width][4], filled
// up with zeros, aligned to 64 bytes.
struct Int8Weight {
  int64_t in_features = 0;
  int64_t out_features = 0;
  int64_t panel_width = 16;
  Isa isa = Isa::kPortable;
  std::shared_ptr<int8_t[]> panels;
  std::shared_ptr<float[]> scale;    // [panels * panel_width], s_r
  std::shared_ptr<int32_t[]> start;  // [panels * panel_width], where the kernel's sums start

  int64_t num_panels() const { return (out_features + panel_width - 1) / panel_width; }
  int64_t num_quads() const { return (in_features + 3) / 4; }
};

// `codes` is row-major [out_features, in_features], `absmax` [out_features]. kAvx512 needs VNNI,
// without which it becomes kAvx2. Error(kBadInput) on a code of -128, an absmax that is negative or
// not finite, or more than 65536 input features (int32 sums could overflow).
Int8Weight pack_int8_weight(const int8_t* codes, const float* absmax, int64_t out_features,
                            int64_t in_features, Isa isa = best_isa());

// x [num_rows, in_features] -> y [num_rows, out_features], both row-major. A row whose a_t is below
// 1e-30 counts as zeros. Threads: base/thread_pool. Error(kBadInput) on a negative or NaN
// threshold.
void multiply_int8(const Int8Weight& weight, const LlmInt8Options& options, const float* x,
                   int64_t num_rows, float* y, Output output = Output::kWrite);

}  // namespace assay::kernels
