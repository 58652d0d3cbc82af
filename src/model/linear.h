#pragma once
// A linear layer of a block: the unit of compression.

#include <ATen/core/Tensor.h>

#include <memory>

#include "kernels/gemm.h"

namespace assay {

// y = x W^T for float32 x [tokens, in_features], W [out_features, in_features]. Every output
// element is summed over in_features in one fixed order, so a row's result depends on that row
// alone: not on the number of rows, nor on threads. The weight is repacked once for the kernel; the
// dense copy is not kept.
class Linear {
 public:
  Linear() = default;
  explicit Linear(const at::Tensor& weight);

  at::Tensor operator()(const at::Tensor& x) const;  // [tokens, in] -> [tokens, out]
  void write_(const at::Tensor& x,
              at::Tensor& y) const;  // y = x W^T into contiguous memory that is there
  void add_(const at::Tensor& x, at::Tensor& y) const;  // y += x W^T
  int64_t in_features() const { return packed_.in_features; }
  int64_t out_features() const { return packed_.out_features; }
  const kernels::PackedWeight& packed() const { return packed_; }

 private:
  kernels::PackedWeight packed_;
};

}  // namespace assay
