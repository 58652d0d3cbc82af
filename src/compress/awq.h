#pragma once
// AWQ: quantize a decoder block after scaling up the input channels that matter and clipping the
// range of every group, both chosen by the change of the block's own outputs on calibration text.
// Source: Lin et al., AWQ: Activation-aware Weight Quantization, MLSys 2024, arXiv:2306.00978, and
// its released code.
//
//   A. scale search (compress/awq_scale.h), each pair from the untouched block:
//        input norm -> q, k, v           by the output of the attention
//        v -> o                          by the output of o, only where their weights have one
//        shape post-attention norm -> gate, up by the output of the MLP up -> down by the output of
//        down
//   B. all scales folded (compress/fold_scale.h), inputs of the consumers divided by them
//   C. clip search (compress/awq_clip.h) for v, o, gate, up and down
//   D. quantization (compress/awq_quantizer.h)

#include <ATen/core/Tensor.h>

#include <map>
#include <string_view>
#include <vector>

#include "calibration/hidden_states.h"
#include "compress/awq_quantizer.h"
#include "compress/awq_scale.h"
#include "compress/block_weights.h"
#include "model/config.h"

namespace assay {

struct AwqConfig : AwqQuantizerConfig {
  bool duo_scaling = false;   // AwqScaleRule::kDuo in step A
  int64_t search_tokens = 0;  // of the first sequences that A and C look at, whole; 0 = all
  bool scale = true;          // step A; without it every scale is 1
  bool clip = true;           // step C
};
AwqScaleRule scale_rule_of(const AwqConfig& config);

// What was chosen for one pair, for the report.
struct AwqPair {
  std::string_view producer;                // "input_layernorm", "self_attn.v_proj", ...
  std::vector<std::string_view> consumers;  // names of linears
  at::Tensor scale;                         // [in_features]
  // Losses are means over tokens and outputs of the inspected module. Of kInputs, losses[0] or a
  // lower bound of it is that of rounding to nearest.
  GridSearch search;
};

struct AwqLinear {
  at::Tensor codes;  // [out_features, in_features] uint8
  QuantGrid grid;
  at::Tensor values;      // [out_features, in_features] float32: what the codes stand for
  at::Tensor clip_steps;  // [out_features, groups] uint8, undefined where nothing was clipped
};

struct AwqBlock {
  at::Tensor input_layernorm, post_attention_layernorm;  // divided by the scales
  std::map<std::string_view, AwqLinear> linears;         // of the folded block
  std::vector<AwqPair> pairs;
};

// Quantizes one block.
//   batches  hidden states that enter the DENSE block: quantized blocks before it are not seen, and
//            the next block is given the outputs of the dense one
// float32 throughout, every product in a fixed order: the same bits for any number of threads and
// any cut into batches. Memory beside the weights: the inputs of the linears, tokens * (3 *
// hidden_size + intermediate_size) floats, and while a Gram matrix is formed 1.5 *
// intermediate_size^2 floats.
// Error(kBadInput) on a wrong shape or range, or a value that is not finite, naming the linear.
AwqBlock awq_block(const BlockWeights& weights, const ModelConfig& model,
                   const std::vector<CalibrationBatch>& batches, const AwqConfig& config);

// Step B alone: the weights with these scales folded in. Leaves the block's output what it was.
BlockWeights awq_fold(const BlockWeights& weights, const std::vector<AwqPair>& pairs);

}  // namespace assay
