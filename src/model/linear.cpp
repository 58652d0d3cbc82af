#include "model/linear.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace assay {
namespace {

// What the kernels take for granted.
void check_shapes(const Linear& linear, const at::Tensor& x, const at::Tensor& y) {
  const int64_t in = linear.in_features(), out = linear.out_features();
  require(x.dim() == 2 && x.scalar_type() == at::kFloat && x.size(1) == in, "Linear [", out, ", ",
          in, "] needs float32 [tokens, ", in, "], got ", x.scalar_type(), " ", x.sizes());
  require(y.is_contiguous() && y.scalar_type() == at::kFloat && y.dim() == 2 &&
              y.size(0) == x.size(0) && y.size(1) == out,
          "Linear: the output must be contiguous float32 [", x.size(0), ", ", out, "]");
}

void check_weight(const at::Tensor& weight) {
  require(weight.defined() && weight.dim() == 2 && weight.scalar_type() == at::kFloat,
          "Linear: weight must be float32 [out, in]");
}

}  // namespace

Linear::Linear(const at::Tensor& weight, const at::Tensor& bias) {
  check_weight(weight);
  const auto dense = weight.contiguous();
  weight_ = kernels::pack_weight(dense.const_data_ptr<float>(), dense.size(0), dense.size(1));
  set_bias(bias);
}

void Linear::set_bias(const at::Tensor& bias) {
  if (!bias.defined()) return;
  require(bias.scalar_type() == at::kFloat && bias.sizes() == at::IntArrayRef({out_features()}),
          "Linear: the bias must be float32 [", out_features(), "], got ", bias.scalar_type(), " ",
          bias.sizes());
  bias_ = bias.contiguous();
}

Linear Linear::llm_int8(const at::Tensor& weight, const LlmInt8Options& options,
                        const at::Tensor& bias) {
  check_weight(weight);
  const auto dense = weight.contiguous();
  auto codes = at::empty(dense.sizes(), at::kChar);
  auto absmax = at::empty({dense.size(0)}, at::kFloat);
  kernels::quantize_rows_int8(dense.const_data_ptr<float>(), dense.size(0), dense.size(1),
                              codes.mutable_data_ptr<int8_t>(), absmax.mutable_data_ptr<float>());
  Linear linear = llm_int8(codes, absmax, options);
  linear.set_bias(bias);
  return linear;
}

Linear Linear::llm_int8(const at::Tensor& codes, const at::Tensor& absmax,
                        const LlmInt8Options& options) {
  require(codes.defined() && codes.dim() == 2 && codes.scalar_type() == at::kChar &&
              absmax.defined() && absmax.scalar_type() == at::kFloat &&
              absmax.sizes() == at::IntArrayRef({codes.size(0)}),
          "Linear: 8-bit codes must be int8 [out, in], their absmax float32 [out]");
  require(options.threshold >= 0, "Linear: the outlier threshold must be positive, or 0, got ",
          options.threshold);
  const auto codes_in_order = codes.contiguous(), absmax_in_order = absmax.contiguous();
  Linear linear;
  linear.weight_ = Int8{kernels::pack_int8_weight(codes_in_order.const_data_ptr<int8_t>(),
                                                  absmax_in_order.const_data_ptr<float>(),
                                                  codes.size(0), codes.size(1)),
                        options};
  return linear;
}

std::optional<LlmInt8Options> Linear::int8_options() const {
  const auto* int8 = std::get_if<Int8>(&weight_);
  return int8 == nullptr ? std::nullopt : std::optional(int8->options);
}

Linear Linear::with_outliers(kernels::OutlierColumns outliers) const {
  Linear linear = *this;
  if (auto* int8 = std::get_if<Int8>(&linear.weight_)) int8->options.outliers = outliers;
  return linear;
}

int64_t Linear::in_features() const {
  if (const auto* int8 = std::get_if<Int8>(&weight_)) return int8->weight.in_features;
  return std::get<kernels::PackedWeight>(weight_).in_features;
}

int64_t Linear::out_features() const {
  if (const auto* int8 = std::get_if<Int8>(&weight_)) return int8->weight.out_features;
  return std::get<kernels::PackedWeight>(weight_).out_features;
}

const kernels::PackedWeight& Linear::packed() const {
  const auto* dense = std::get_if<kernels::PackedWeight>(&weight_);
  if (dense == nullptr) {
    fail(ErrorKind::kInternal, "Linear [", out_features(), ", ", in_features(),
         "]: its weight is in 8 bits and was asked for in float32");
  }
  return *dense;
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  auto y = at::empty({x.size(0), out_features()}, at::kFloat);
  write_(x, y);
  return y;
}

void Linear::write_(const at::Tensor& x, at::Tensor& y) const {
  multiply_into(x, y, kernels::Output::kWrite);
}

void Linear::add_(const at::Tensor& x, at::Tensor& y) const {
  multiply_into(x, y, kernels::Output::kAdd);
}

void Linear::multiply_into(const at::Tensor& x, at::Tensor& y, kernels::Output output) const {
  check_shapes(*this, x, y);
  const auto in_order = x.contiguous();
  const float* from = in_order.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  if (const auto* int8 = std::get_if<Int8>(&weight_)) {
    kernels::multiply_int8(int8->weight, int8->options, from, x.size(0), to, output);
  } else {
    kernels::multiply(std::get<kernels::PackedWeight>(weight_), from, x.size(0), to, output);
  }
  if (bias_.defined()) y += bias_;
}

}  // namespace assay
