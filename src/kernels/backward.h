#pragma once
// The gradients of what stands between the products of a block (kernels/elementwise.h,
// kernels/attention.h): dx is the derivative of a loss by x. Sums run in an order that depends on
// the shape alone, so results are the same bits for any number of threads.

#include <cstdint>
#include <span>

#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "kernels/isa.h"

namespace assay::kernels {

// Adds to dx the gradient by x of y = weight * x / sqrt(mean(x^2) + eps), rows of weight.size():
//   dx += r * (weight * dy - x * r^2 * mean(weight * dy * x)),  r = 1 / sqrt(mean(x^2) + eps)
// in float64 within a row.
void add_rms_norm_gradient(const float* x, const float* dy, int64_t num_rows,
                           std::span<const float> weight, double eps, float* dx);

// y = act(gate) * up, of kSilu or kGeluTanh: gate and up become their own gradients.
// Error(kInternal) for another activation.
void activate_times_gradient_(Activation activation, float* gate, float* up, const float* dy,
                              int64_t count);

// One sequence of `num_rows` rows from position 0 on, every row a query. Rows of queries, out and
// their gradients hold num_heads heads, those of keys and values num_kv_heads.
struct AttentionGradient {
  const float *queries, *keys, *values;  // after rotary positions
  const float *out, *d_out;              // what kernels::attention gave, and its gradient
  float *d_queries, *d_keys, *d_values;  // written
};

// The attention weights are computed again in blocks of rows and never held whole: scores by
// kernels/gemm.h, softmax with float64 sums. Error(kInternal) for caps and slopes: no gradient goes
// through them here.
void attention_gradient(const AttentionShape& shape, int64_t num_rows,
                        const AttentionGradient& gradient, Isa isa = best_isa());

}  // namespace assay::kernels
