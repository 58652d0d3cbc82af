#pragma once
// One decoder block, one method that changes its linears and norms together: AWQ and SmoothQuant,
// which fold scales. Both look at the dense model: blocks before this one are as they were.

#include <ATen/core/Tensor.h>

#include <map>
#include <string_view>
#include <vector>

#include "calibration/hidden_states.h"
#include "compress/block_weights.h"
#include "compress/compress_linear.h"

namespace assay {

bool compresses_blocks(const MethodConfig& config);

enum class KeepCodes { kNo, kYes };

struct CompressedBlock {
  at::Tensor input_layernorm, post_attention_layernorm;  // [hidden_size], scales folded in
  std::map<std::string_view, CompressedLinear> linears;  // each with its target
  std::map<std::string_view, at::Tensor> biases = {};    // those that a scale was folded into
};

// Codes of the linears where they are wanted. `batches`: the hidden states that enter the dense
// block; they stay as they are. Errors as the method's function, naming the linear.
// Error(kInternal) for a method of single linears.
CompressedBlock compress_block(const MethodConfig& config, const BlockWeights& weights,
                               const ModelConfig& model,
                               const std::vector<CalibrationBatch>& batches,
                               KeepCodes keep_codes = KeepCodes::kNo);

}  // namespace assay
