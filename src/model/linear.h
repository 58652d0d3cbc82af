#pragma once
// A linear layer of a block: the unit of compression.

#include <ATen/core/Tensor.h>

#include <memory>

namespace assay {

// y = x W^T for float32 x [tokens, in_features], W [out_features, in_features]. Every output element is summed over
// in_features in one fixed order, so a row's result depends on that row alone: not on the number of rows, nor on
// threads. The weight is repacked once for the kernel; the dense copy is not kept.
class Linear {
 public:
  Linear() = default;
  explicit Linear(const at::Tensor& weight);

  at::Tensor operator()(const at::Tensor& x) const;  // [tokens, in] -> [tokens, out]
  int64_t in_features() const;
  int64_t out_features() const;

 private:
  struct Packed;
  std::shared_ptr<const Packed> packed_;
};

}  // namespace assay
