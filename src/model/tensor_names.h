#pragma once
// The tensors of a model by the names that assay knows them by: those of a Hugging Face Llama, and
// for what Llama has not names of the same kind. What files call them is model/file_layout.h's.

#include <cstdint>
#include <optional>
#include <span>
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
// Those of a decoder block: norms, linears, and what of biases, head norms and experts the config
// has.
std::vector<ExpectedTensor> block_tensors(const ModelConfig& config, int64_t layer);
// Both, block after block.
std::vector<ExpectedTensor> all_tensors(const ModelConfig& config);
// Elements of all of them.
int64_t num_weights(const ModelConfig& config);

// The linears of a block that are compressed, in module order: self_attn.q_proj, k_proj, v_proj,
// o_proj; mlp.gate_proj, up_proj, down_proj, or without a gate mlp.fc1, mlp.fc2; with experts
// mlp.experts.0.gate_proj, ... and then mlp.shared_expert's. The names live as long as the program.
std::span<const std::string_view> block_linear_names(const ModelConfig& config, MlpKind mlp);
std::span<const std::string_view> block_linear_names(const ModelConfig& config, int64_t layer);
// Those of a block with a gate and without experts.
std::span<const std::string_view> block_linear_names();

// "mlp.experts.3.up_proj" of "mlp.experts.3." and "up_proj", with a name that lives as long as the
// program.
std::string_view lasting_name(const std::string& name);

// "mlp.experts.12.up_proj" -> 12, "up_proj"; nothing for a linear of no expert.
struct ExpertPart {
  int64_t expert;
  std::string_view part;
};
std::optional<ExpertPart> expert_part(std::string_view linear);

// What a tensor is in any block, or for any expert: its name without layer, number and ".weight".
// "model.layers.3.mlp.experts.12.up_proj.weight" -> "mlp.experts.up_proj"; "model.norm.weight" ->
// "norm".
std::string role_of(std::string_view name);

// [out_features, in_features]
std::vector<int64_t> linear_shape(std::string_view linear, const ModelConfig& config);

// "model.layers.3.self_attn.q_proj.weight"
std::string linear_weight_name(int64_t layer, std::string_view linear);
std::string linear_bias_name(int64_t layer, std::string_view linear);

// Whether a linear ("mlp.up_proj") of a block has a bias.
bool has_bias(std::string_view linear, const ModelConfig& config);

// Whether the name is that of the weight of one of the linears of a block, the unit of compression.
bool is_block_linear(std::string_view name);

// "model.layers.3.mlp.up_proj.weight" -> "mlp.up_proj.weight" and its layer; nothing for a tensor
// of no block.
struct BlockPart {
  int64_t layer;
  std::string_view part;
};
std::optional<BlockPart> block_part(std::string_view name);

}  // namespace assay
