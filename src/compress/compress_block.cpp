#include "compress/compress_block.h"

#include <ATen/ATen.h>

#include <utility>
#include <variant>

#include "base/error.h"
#include "compress/awq.h"
#include "compress/exported_codes.h"
#include "compress/smoothquant.h"

namespace assay {
namespace {

CompressedBlock apply(const AwqConfig& config, const BlockWeights& weights,
                      const ModelConfig& model, const std::vector<CalibrationBatch>& batches,
                      KeepCodes keep_codes) {
  AwqBlock rounded = awq_block(weights, model, batches, config);
  const BlockWeights folded = awq_fold(weights, rounded.pairs);
  CompressedBlock result{rounded.input_layernorm, rounded.post_attention_layernorm, {}};
  for (auto& [name, linear] : rounded.linears) {
    const int64_t cols = linear.values.size(1), group_size = linear.grid.group_size;
    CompressedLinear& compressed = result.linears[name];
    compressed.weight = linear.values;
    if (keep_codes == KeepCodes::kYes) {
      compressed.codes = grid_codes(linear.codes, linear.grid.scale, linear.grid.zero,
                                    consecutive_groups(cols, group_size), config.bits);
    }
    compressed.bits = quantized_bits(
        cols, {.bits = config.bits, .group_size = config.group_size, .sym = config.sym});
    compressed.levels_per_group = linear.grid.max_code + 1;
    compressed.group_size = group_size;
    compressed.target = folded.linear(name);
    if (cols % group_size != 0) compressed.note = tail_note(cols, group_size);
  }
  for (const AwqPair& pair : rounded.pairs) {
    const auto bias = folded.bias(pair.producer);
    if (bias.defined()) result.biases[pair.producer] = bias;
  }
  return result;
}

CompressedBlock apply(const SmoothQuantConfig& config, const BlockWeights& weights,
                      const ModelConfig& model, const std::vector<CalibrationBatch>& batches,
                      KeepCodes keep_codes) {
  const auto maxima = block_input_maxima(dense_block(weights), model, batches);
  const SmoothedBlock smoothed = smooth_block(weights, maxima, config);
  CompressedBlock result{
      smoothed.weights.input_layernorm, smoothed.weights.post_attention_layernorm, {}};
  for (const auto& [name, weight] : smoothed.weights.linears) {
    CompressedLinear& compressed = result.linears[name];
    const auto coded = quantize_rows_int8(weight);
    compressed.weight = coded.values;
    if (keep_codes == KeepCodes::kYes) compressed.codes = row_codes(coded.codes, coded.scale * 127);
    compressed.bits = llm_int8_bits(weight.size(1));
    compressed.levels_per_group = 255;
    compressed.group_size = weight.size(1);
    compressed.target = weight;
  }
  return result;
}

}  // namespace

bool compresses_blocks(const MethodConfig& config) {
  return std::holds_alternative<AwqConfig>(config) ||
         std::holds_alternative<SmoothQuantConfig>(config);
}

CompressedBlock compress_block(const MethodConfig& config, const BlockWeights& weights,
                               const ModelConfig& model,
                               const std::vector<CalibrationBatch>& batches, KeepCodes keep_codes) {
  if (const auto* awq = std::get_if<AwqConfig>(&config)) {
    return apply(*awq, weights, model, batches, keep_codes);
  }
  if (const auto* smooth = std::get_if<SmoothQuantConfig>(&config)) {
    return apply(*smooth, weights, model, batches, keep_codes);
  }
  fail(ErrorKind::kInternal, "compress_block: ", method_of(config).name,
       " compresses one linear after another");
}

}  // namespace assay
