#include "compress/compress_linear.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <sstream>
#include <variant>

#include "base/error.h"
#include "compress/exported_codes.h"
#include "compress/metric.h"

namespace assay {
namespace {

constexpr double kValueBits = 16;  // of a stored weight or scale

double sparsity_of(const at::Tensor& weight) {
  const auto kept = static_cast<double>(at::count_nonzero(weight).item<int64_t>());
  return 1 - kept / static_cast<double>(weight.numel());
}

CompressedLinear pruned(const LinearInput& input, const at::Tensor& keep,
                        const std::optional<NmPattern>& pattern) {
  CompressedLinear result;
  result.weight = input.weight.masked_fill(keep.logical_not(), 0.0);
  if (!pattern) {
    result.bits = unstructured_bits(sparsity_of(result.weight));
    return result;
  }
  result.bits = nm_bits(*pattern);
  if (const int64_t tail = input.weight.size(1) % pattern->of; tail != 0) {
    result.note = "the last " + std::to_string(tail) + " columns of a row do not fill a group of " +
                  to_string(*pattern);
  }
  return result;
}

// The mask of another method at its defaults; undefined where there is none.
at::Tensor mask_of(MaskSource source, double sparsity, const std::optional<NmPattern>& pattern,
                   const at::Tensor& weight, const at::Tensor& norm) {
  switch (source) {
    case MaskSource::kNone:
      return {};
    case MaskSource::kMagnitude:
      return magnitude_keep_mask(weight, {.sparsity = sparsity, .pattern = pattern});
    case MaskSource::kWanda:
      return wanda_keep_mask(weight, norm, {.sparsity = sparsity, .pattern = pattern});
    case MaskSource::kRia:
      return ria_keep_mask(weight, norm, {.sparsity = sparsity, .pattern = pattern});
  }
  return {};
}

// Of a rounded weight, with the mask of another method where there is one.
double bits_under_mask(const at::Tensor& weight, const at::Tensor& keep,
                       const QuantizerConfig& config) {
  const int64_t cols = weight.size(1);
  return keep.defined() ? joint_bits(cols, config, sparsity_of(weight))
                        : quantized_bits(cols, config);
}

CompressedLinear unchanged(const LinearInput& input) {
  CompressedLinear result;
  result.weight = input.weight;
  return result;
}

CompressedLinear apply(const DenseConfig&, const LinearInput& input) { return unchanged(input); }

CompressedLinear apply(const KvCacheConfig&, const LinearInput& input) { return unchanged(input); }

CompressedLinear apply(const MagnitudeConfig& config, const LinearInput& input) {
  return pruned(input, magnitude_keep_mask(input.weight, config), config.pattern);
}

CompressedLinear apply(const WandaConfig& config, const LinearInput& input) {
  return pruned(input, wanda_keep_mask(input.weight, input.input.norm, config), config.pattern);
}

CompressedLinear apply(const GblmConfig& config, const LinearInput& input) {
  const InputStatistics& known = input.input;
  return pruned(input,
                gblm_keep_mask(input.weight, known.norm, known.gradient, known.num_samples, config),
                config.pattern);
}

CompressedLinear apply(const RiaConfig& config, const LinearInput& input) {
  return pruned(input, ria_keep_mask(input.weight, input.input.norm, config), config.pattern);
}

CompressedLinear apply(const DsnotMethodConfig& config, const LinearInput& input) {
  const auto keep = mask_of(config.first, config.sparsity, config.pattern, input.weight,
                            input.input.moments.norm);
  const auto swapped = dsnot_swap(keep, input.weight, input.input.moments, config);
  return pruned(input, swapped.keep, config.pattern);
}

CompressedLinear apply(const OwlMethodConfig&, const LinearInput&) {
  fail(ErrorKind::kInternal, "owl prunes by another method, block by block");
}

CompressedLinear apply(const AwqConfig&, const LinearInput&) {
  fail(ErrorKind::kInternal, "awq compresses whole blocks");
}

CompressedLinear apply(const SmoothQuantConfig&, const LinearInput&) {
  fail(ErrorKind::kInternal, "smoothquant compresses whole blocks");
}

CompressedLinear apply(const CodebookConfig& config, const LinearInput& input) {
  CompressedLinear result;
  const CodebookResult coded = codebook_quantize(input.weight, config);
  result.weight = coded.values;
  if (!input.codes_dtype.empty()) result.codes = four_bit_codes(coded, config, input.codes_dtype);
  result.bits = codebook_bits(config);
  if (input.weight.size(1) % config.block_size == 0) {
    result.levels_per_group = 16;
    result.group_size = config.block_size;
  } else {
    result.note = "blocks of " + std::to_string(config.block_size) + " weights run across rows";
  }
  return result;
}

CompressedLinear apply(const HqqConfig& config, const LinearInput& input) {
  const HqqResult rounded = hqq_quantize(input.weight, config);
  const int64_t cols = input.weight.size(1), group_size = rounded.grid.group_size;
  CompressedLinear result;
  result.weight = rounded.values;
  result.bits = hqq_bits(cols, config);
  result.levels_per_group = rounded.grid.max_code + 1;
  result.group_size = group_size;
  if (cols % group_size != 0) result.note = tail_note(cols, group_size);
  return result;
}

CompressedLinear apply(const LlmInt8Config&, const LinearInput& input) {
  CompressedLinear result;
  const LlmInt8Result coded = llm_int8_quantize(input.weight);
  result.weight = coded.values;
  if (!input.codes_dtype.empty()) result.codes = row_codes(coded.codes, coded.absmax);
  result.bits = llm_int8_bits(input.weight.size(1));
  result.levels_per_group = 255;
  result.group_size = input.weight.size(1);
  return result;
}

CompressedLinear apply(const RtnConfig& config, const LinearInput& input) {
  const auto keep =
      mask_of(config.mask, config.sparsity, config.pattern, input.weight, input.input.norm);
  const auto weight =
      keep.defined() ? input.weight.masked_fill(keep.logical_not(), 0.0) : input.weight;
  const RtnResult quantized = rtn_quantize(weight, config);
  const int64_t cols = input.weight.size(1), group_size = quantized.grid.group_size;
  CompressedLinear result;
  result.weight = quantized.values;
  if (!input.codes_dtype.empty()) {
    result.codes = grid_codes(quantized.codes, quantized.grid.scale, quantized.grid.zero,
                              consecutive_groups(cols, config.group_size), config.bits);
  }
  result.bits = bits_under_mask(result.weight, keep, config);
  result.levels_per_group = quantized.grid.max_code + 1;
  result.group_size = group_size;
  if (cols % group_size != 0) result.note = tail_note(cols, group_size);
  return result;
}

// What a reader must know of the factor that a sweep ran on.
std::string factor_note(const InverseFactor& factor, double asked_damp) {
  std::ostringstream note;
  const auto num_dead = factor.dead.sum().item<int64_t>();
  if (num_dead > 0) note << num_dead << " inputs were zero throughout: their weights became zero";
  // Where the asked damping is the most there is, giving up leaves damp_percent as it was.
  if (factor.damp_percent == asked_damp && !factor.is_identity) return note.str();
  if (num_dead > 0) note << "; ";
  if (factor.is_identity) {
    note << "the Hessian could not be factored with any damping: no weight made up for another";
  } else {
    note << "the Hessian could be factored with damp_percent " << factor.damp_percent << " only";
  }
  return note.str();
}

CompressedLinear apply(const SparseGptConfig& config, const LinearInput& input) {
  const int64_t cols = input.weight.size(1);
  const auto order = column_order(input.input.second_order->hessian().diagonal(),
                                  ColumnOrder::kGiven, config.group_size);
  const InverseFactor& factor = input.input.second_order->factor(order, config.damp_percent);
  const SweepResult swept = sparsegpt(
      input.weight, factor, config,
      mask_of(config.mask, config.sparsity, config.pattern, input.weight, input.input.norm));
  CompressedLinear result;
  result.weight = swept.values;
  const double sparsity = sparsity_of(result.weight);
  result.note = factor_note(factor, config.damp_percent);
  if (config.bits == 16) {
    result.bits = config.pattern ? nm_bits(*config.pattern) : unstructured_bits(sparsity);
    return result;
  }
  const QuantizerConfig quantizer{
      .bits = config.bits, .group_size = config.group_size, .sym = config.sym};
  result.bits = joint_bits(cols, quantizer, sparsity);
  result.levels_per_group = int64_t{1} << config.bits;
  result.group_size = config.group_size == -1 ? cols : config.group_size;
  return result;
}

CompressedLinear apply(const GptqConfig& config, const LinearInput& input) {
  const int64_t cols = input.weight.size(1);
  const auto& second_order = *input.input.second_order;
  const auto order =
      column_order(second_order.hessian().diagonal(), column_order_of(config), config.group_size);
  const InverseFactor& factor = second_order.factor(order, config.damp_percent);
  const auto keep =
      mask_of(config.mask, config.sparsity, config.pattern, input.weight, input.input.norm);
  const GptqResult rounded = gptq(input.weight, factor, order, config, keep);
  CompressedLinear result;
  result.weight = rounded.values;
  if (!input.codes_dtype.empty()) {
    result.codes = grid_codes(rounded.codes, rounded.scale, rounded.zero, rounded.group_of_column,
                              config.bits);
  }
  result.bits = bits_under_mask(result.weight, keep, config);
  const int64_t levels = int64_t{1} << config.bits, num_groups = rounded.scale.size(1);
  // Groups of act-order lie scattered over the row: what can be recounted is the row.
  const bool scattered = config.desc_act && !config.static_groups;
  result.levels_per_group = scattered ? levels * num_groups : levels;
  result.group_size =
      scattered || config.group_size == -1 ? cols : std::min(config.group_size, cols);
  result.note = factor_note(factor, config.damp_percent);
  if (config.group_size > 0 && cols % config.group_size != 0) {
    if (!result.note.empty()) result.note += "; ";
    result.note += tail_note(cols, config.group_size);
  }
  return result;
}

CompressedLinear apply(const PermuteConfig& config, const LinearInput& input) {
  CompressedLinear result;
  result.weight = permute_tensor(input.tensor, input.weight, config);
  result.target = result.weight;
  return result;
}

}  // namespace

std::string tail_note(int64_t cols, int64_t group_size) {
  return "groups of " + std::to_string(group_size) + " leave one of " +
         std::to_string(cols % group_size) + " at the end of each row";
}

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

double joint_bits(int64_t in_features, const QuantizerConfig& config, double sparsity) {
  const auto code_bits = static_cast<double>(config.bits);
  return 1 + (1 - sparsity) * code_bits + quantized_bits(in_features, config) - code_bits;
}

CompressedLinear compress_linear(const MethodConfig& config, const LinearInput& input) {
  require_finite_matrix(input.weight, "weight");
  const auto apply_to_tensor = [&](auto c) {
    if constexpr (requires { c.bits_by_tensor; }) {
      c.bits = bits_of_tensor(c.bits_by_tensor, c.bits, input.tensor);
    }
    return apply(c, input);
  };
  return std::visit(apply_to_tensor, config);
}

}  // namespace assay
