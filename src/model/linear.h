#pragma once
// A linear layer of a block: the unit of compression.

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <variant>

#include "kernels/gemm.h"
#include "kernels/int8_mixed.h"

namespace assay {

using kernels::LlmInt8Options;

// y = x W^T + b for float32 x [tokens, in_features], W [out_features, in_features] and, where there
// is one, b [out_features]. A row's result depends on that row alone, to the bit: not on the number
// of rows, nor on threads. The one exception is an 8-bit linear with the outlier columns of the
// batch, as published. The weight is repacked once for the kernel; the dense copy is not kept.
class Linear {
 public:
  Linear() = default;
  // In float32: every element is summed over in_features in one fixed order (kernels/gemm.h).
  explicit Linear(const at::Tensor& weight, const at::Tensor& bias = {});

  // In 8 bits with outliers apart (kernels/int8_mixed.h): of a float32 weight [out, in], or of the
  // codes [out, in] int8 and absmax [out] float32 that a checkpoint stores. Error(kBadInput) on a
  // wrong dtype, shape or threshold, or a weight that has no scale.
  static Linear llm_int8(const at::Tensor& weight, const LlmInt8Options& options,
                         const at::Tensor& bias = {});
  static Linear llm_int8(const at::Tensor& codes, const at::Tensor& absmax,
                         const LlmInt8Options& options);

  at::Tensor operator()(const at::Tensor& x) const;  // [tokens, in] -> [tokens, out]
  void write_(const at::Tensor& x,
              at::Tensor& y) const;  // y = x W^T + b into contiguous memory that is there
  void add_(const at::Tensor& x, at::Tensor& y) const;  // y += x W^T + b
  const at::Tensor& bias() const { return bias_; }      // undefined where there is none
  // How an 8-bit linear computes; nothing for a float32 one.
  std::optional<LlmInt8Options> int8_options() const;
  // The same weight with other columns as outliers; a float32 linear as it is.
  Linear with_outliers(kernels::OutlierColumns outliers) const;
  int64_t in_features() const;
  int64_t out_features() const;
  // The float32 weight for kernels that take it (the head's). Error(kInternal) of an 8-bit linear.
  const kernels::PackedWeight& packed() const;

 private:
  struct Int8 {
    kernels::Int8Weight weight;
    LlmInt8Options options;
  };

  void multiply_into(const at::Tensor& x, at::Tensor& y, kernels::Output output) const;

  void set_bias(const at::Tensor& bias);

  std::variant<kernels::PackedWeight, Int8> weight_;
  at::Tensor bias_;
};

}  // namespace assay
