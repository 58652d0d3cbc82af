#pragma once
// The weights of one decoder block as Llama's, for methods that change several of them together.

#include <ATen/core/Tensor.h>

#include <map>
#include <string_view>

#include "model/block.h"

namespace assay {

// All float32.
struct BlockWeights {
  at::Tensor input_layernorm, post_attention_layernorm;  // [hidden_size], as they multiply
  std::map<std::string_view, at::Tensor> linears;        // by name
  std::map<std::string_view, at::Tensor> biases = {};    // of those that have one
  HeadNorms head_norms = {};
  int64_t window = 0;
  Norm attention_output_norm = {}, mlp_output_norm = {};

  // Error(kBadInput) when there is none of that name.
  const at::Tensor& linear(std::string_view name) const;
  at::Tensor bias(std::string_view name) const;  // undefined where there is none
};

BlockWeights block_weights(const Checkpoint& checkpoint, int64_t layer);

// The block that computes with them, in float32. Error(kBadInput) names the linear whose weight is
// missing, of another dtype, or not finite.
Block dense_block(const BlockWeights& weights);

}  // namespace assay
