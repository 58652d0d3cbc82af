#include "compress/compress_linear.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <sstream>
#include <variant>

#include "compress/metric.h"

namespace assay {
namespace {

constexpr double kValueBits = 16;  // of a stored weight or scale

CompressedLinear pruned(const LinearInput& input, const at::Tensor& keep,
                        const std::optional<NmPattern>& pattern) {
  CompressedLinear result;
  result.weight = input.weight.masked_fill(keep.logical_not(), 0.0);
  if (!pattern) {
    const double kept = (result.weight != 0).sum().item<double>();
    result.bits = unstructured_bits(1 - kept / static_cast<double>(result.weight.numel()));
    return result;
  }
  result.bits = nm_bits(*pattern);
  if (const int64_t tail = input.weight.size(1) % pattern->of; tail != 0) {
    result.note = "the last " + std::to_string(tail) + " columns of a row do not fill a group of " +
                  to_string(*pattern);
  }
  return result;
}

CompressedLinear apply(const DenseConfig&, const LinearInput& input) {
  CompressedLinear result;
  result.weight = input.weight;
  return result;
}

CompressedLinear apply(const MagnitudeConfig& config, const LinearInput& input) {
  return pruned(input, magnitude_keep_mask(input.weight, config), config.pattern);
}

CompressedLinear apply(const WandaConfig& config, const LinearInput& input) {
  return pruned(input, wanda_keep_mask(input.weight, input.input_norm, config), config.pattern);
}

CompressedLinear apply(const RtnConfig& config, const LinearInput& input) {
  const RtnResult quantized = rtn_quantize(input.weight, config);
  const int64_t cols = input.weight.size(1), group_size = quantized.grid.group_size;
  CompressedLinear result;
  result.weight = quantized.values;
  result.bits = quantized_bits(cols, config.quantizer);
  result.levels_per_group = quantized.grid.max_code + 1;
  result.group_size = group_size;
  if (cols % group_size != 0) {
    result.note = "groups of " + std::to_string(group_size) + " leave one of " +
                  std::to_string(cols % group_size) + " at the end of each row";
  }
  return result;
}

CompressedLinear apply(const PermuteConfig& config, const LinearInput& input) {
  CompressedLinear result;
  result.weight = permute_tensor(input.tensor, input.weight, config);
  return result;
}

}  // namespace

double unstructured_bits(double sparsity) {
  return std::min(kValueBits, kValueBits * (1 - sparsity) + 1);
}

double nm_bits(NmPattern pattern) {
  const auto position_bits =
      static_cast<double>(std::bit_width(static_cast<uint64_t>(pattern.of - 1)));
  return (1 - pattern.sparsity()) * (kValueBits + position_bits);
}

double quantized_bits(int64_t in_features, const QuantizerConfig& config) {
  const int64_t group_size = config.group_size == -1 ? in_features : config.group_size;
  const int64_t num_groups = (in_features + group_size - 1) / group_size;
  const auto groups = static_cast<double>(num_groups);
  const auto code_bits = static_cast<double>(config.bits);
  return code_bits +
         groups * (kValueBits + (config.sym ? 0 : code_bits)) / static_cast<double>(in_features);
}

CompressedLinear compress_linear(const MethodConfig& config, const LinearInput& input) {
  require_finite_matrix(input.weight, "weight");
  return std::visit([&](const auto& c) { return apply(c, input); }, config);
}

}  // namespace assay
