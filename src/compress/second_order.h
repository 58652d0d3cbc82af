#pragma once
// The Hessian of a linear's inputs and what methods derive from it, shared by the linears that read
// the same input.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "compress/inverse_factor.h"

namespace assay {

class SecondOrder {
 public:
  explicit SecondOrder(at::Tensor hessian) : hessian_(std::move(hessian)) {}

  const at::Tensor& hessian() const { return hessian_; }  // [in, in] float32

  // The factor of the Hessian with its rows and columns in this order (`dead` is in it too);
  // computed when it is first asked for.
  const InverseFactor& factor(const std::vector<int64_t>& order, double damp_percent) const;

 private:
  at::Tensor hessian_;
  mutable std::map<std::pair<std::vector<int64_t>, double>, InverseFactor> factors_;
};

}  // namespace assay
