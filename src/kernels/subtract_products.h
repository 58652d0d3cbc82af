#pragma once
// The inner loop of second-order sweeps: many products taken off a few values, one after another.

#include <cstdint>

#include "kernels/isa.h"

namespace assay::kernels {

inline constexpr int64_t kLanes = 32;  // values side by side

// w_l <- w_l - e_kl f_k for k = 0, 1, ... count - 1 in that order, each product and each difference
// rounded. w [kLanes], e [count, kLanes], f [count].
void subtract_products(float* w, const float* e, const float* f, int64_t count,
                       Isa isa = best_isa());

}  // namespace assay::kernels
