#pragma once
// The factor that optimal-brain-surgeon sweeps run on: U upper triangular with (H + delta I)^-1 =
// U^T U. Row j of U says how the columns right of j make up for a change of column j once those
// left of it are frozen.
// Source: Frantar & Alistarh, ICML 2023, arXiv:2301.00774, section 3.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace assay {

struct InverseFactor {
  at::Tensor upper;  // [in_features, in_features] float32; the identity where no damping helped
  at::Tensor dead;   // [in_features] bool: inputs that were zero throughout
  double damp_percent = 0;   // that was used: the asked one, or escalated by tens up to 1
  bool is_identity = false;  // H could not be factored: what runs on it rounds or prunes plainly
};

// hessian [in_features, in_features] float32, symmetric; not modified. A dead input (H_jj = 0) gets
// H_jj = 1; then delta = damp_percent * mean of the diagonal. Where H + delta I is not positive
// definite in float32, damp_percent grows tenfold, to 1 at most; then `is_identity`. One Cholesky
// factorization of H in reverse order and one triangular inverse, by blocks, on kernels/gemm.h:
// the same bits for any number of threads. `order` says in which order rows and columns are taken
// (and are in the result); empty = as they are. Memory beside Hessian and result: 7 / 4 of one.
// Error(kBadInput) on a wrong shape, an entry that is not finite, or a negative damp_percent.
InverseFactor inverse_factor(const at::Tensor& hessian, double damp_percent,
                             std::span<const int64_t> order = {});

// The same by three dense factorizations in float64, as the papers write it: the reference of the
// fast one. Undefined where H + delta I is not positive definite.
at::Tensor plain_inverse_factor(const at::Tensor& hessian, double damp_percent);

}  // namespace assay
