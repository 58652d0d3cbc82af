#include "model/linear.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace assay {

Linear::Linear(const at::Tensor& weight) {
  require(weight.defined() && weight.dim() == 2 && weight.scalar_type() == at::kFloat,
          "Linear: weight must be float32 [out, in]");
  const auto dense = weight.contiguous();
  packed_ = kernels::pack_weight(dense.const_data_ptr<float>(), dense.size(0), dense.size(1));
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  auto y = at::empty({x.size(0), out_features()}, at::kFloat);
  write_(x, y);
  return y;
}

namespace {

void multiply_into(const kernels::PackedWeight& weight, const at::Tensor& x, at::Tensor& y,
                   kernels::Output output) {
  require(x.dim() == 2 && x.scalar_type() == at::kFloat && x.size(1) == weight.in_features,
          "Linear [", weight.out_features, ", ", weight.in_features, "] needs float32 [tokens, ",
          weight.in_features, "], got ", x.scalar_type(), " ", x.sizes());
  require(y.is_contiguous() && y.scalar_type() == at::kFloat && y.dim() == 2 &&
              y.size(0) == x.size(0) && y.size(1) == weight.out_features,
          "Linear: the output must be contiguous float32 [", x.size(0), ", ", weight.out_features,
          "]");
  kernels::multiply(weight, x.contiguous().const_data_ptr<float>(), x.size(0),
                    y.mutable_data_ptr<float>(), output);
}

}  // namespace

void Linear::write_(const at::Tensor& x, at::Tensor& y) const {
  multiply_into(packed_, x, y, kernels::Output::kWrite);
}

void Linear::add_(const at::Tensor& x, at::Tensor& y) const {
  multiply_into(packed_, x, y, kernels::Output::kAdd);
}

}  // namespace assay
