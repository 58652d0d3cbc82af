#pragma once
// The tensors of a model: their Hugging Face names, shapes, and the names a GGUF file
// gives them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace assay {

struct ExpectedTensor {
  std::string name;            // "model.layers.3.self_attn.q_proj.weight"
  std::vector<int64_t> shape;  // [out_features, in_features] or [hidden_size]
};

// Those of the embedding, the final norm and, where untied, the head.
std::vector<ExpectedTensor> outer_tensors(const ModelConfig& config);
// Those of a decoder block: norms, linears, and what of biases and head norms the config has.
std::vector<ExpectedTensor> block_tensors(const ModelConfig& config, int64_t layer);
// Both, block after block.
std::vector<ExpectedTensor> all_tensors(const ModelConfig& config);
// Elements of all of them.
int64_t num_weights(const ModelConfig& config);

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; nothing for a name of no
// tensor that is known.
std::optional<std::string> name_from_gguf(std::string_view gguf_name);

// The inverse: the name that a GGUF file gives a tensor.
std::optional<std::string> name_to_gguf(std::string_view name);

// Whether a linear ("mlp.up_proj") of a block has a bias.
bool has_bias(std::string_view linear, const ModelConfig& config);

// Whether the name is that of one of the seven linears of a block, the unit of compression.
bool is_block_linear(std::string_view name);

}  // namespace assay
