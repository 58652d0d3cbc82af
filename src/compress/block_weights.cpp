#include "compress/block_weights.h"

#include <ATen/ATen.h>

#include <string>

#include "base/error.h"
#include "compress/metric.h"

namespace assay {

const at::Tensor& BlockWeights::linear(std::string_view name) const {
  const auto found = linears.find(name);
  require(found != linears.end(), "the block has no weight of ", name);
  return found->second;
}

at::Tensor BlockWeights::bias(std::string_view name) const {
  const auto found = biases.find(name);
  return found == biases.end() ? at::Tensor() : found->second;
}

BlockWeights block_weights(const Checkpoint& checkpoint, int64_t layer) {
  const ModelConfig& model = checkpoint.config();
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  const auto norm = [&](const char* name) { return load_norm(checkpoint, prefix + name); };
  BlockWeights weights{norm("input_layernorm").weight, norm("post_attention_layernorm").weight, {}};
  for (const std::string_view name : block_linear_names(model, layer)) {
    weights.linears[name] = checkpoint.tensor(linear_weight_name(layer, name));
    if (auto bias = bias_of(checkpoint, layer, name); bias.defined()) weights.biases[name] = bias;
  }
  weights.head_norms = load_head_norms(checkpoint, layer);
  weights.window = window_of_layer(model, layer);
  if (!model.output_norms) return weights;
  weights.attention_output_norm = norm("attention_output_norm");
  weights.mlp_output_norm = norm("mlp_output_norm");
  return weights;
}

Block dense_block(const BlockWeights& weights) {
  Block block;
  block.input_layernorm = weights.input_layernorm;
  block.post_attention_layernorm = weights.post_attention_layernorm;
  for (const std::string_view name : block_linear_names()) {
    in_context(name, [&] {
      require_finite_matrix(weights.linear(name), "weight");
      linear_of(block, name) = Linear(weights.linear(name), weights.bias(name));
    });
  }
  block.head_norms = weights.head_norms;
  block.window = weights.window;
  block.attention_output_norm = weights.attention_output_norm;
  block.mlp_output_norm = weights.mlp_output_norm;
  return block;
}

}  // namespace assay
