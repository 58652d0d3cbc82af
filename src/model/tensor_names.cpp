#include "model/tensor_names.h"

#include <algorithm>
#include <array>

namespace assay {
namespace {

enum class Kind { kNorm, kHeadNorm, kLinear };

struct BlockName {
  std::string_view hugging_face, gguf;
  Kind kind;
};

constexpr std::array kBlockNames{
    BlockName{"input_layernorm", "attn_norm", Kind::kNorm},
    BlockName{"self_attn.q_proj", "attn_q", Kind::kLinear},
    BlockName{"self_attn.k_proj", "attn_k", Kind::kLinear},
    BlockName{"self_attn.v_proj", "attn_v", Kind::kLinear},
    BlockName{"self_attn.q_norm", "attn_q_norm", Kind::kHeadNorm},
    BlockName{"self_attn.k_norm", "attn_k_norm", Kind::kHeadNorm},
    BlockName{"self_attn.o_proj", "attn_output", Kind::kLinear},
    BlockName{"post_attention_layernorm", "ffn_norm", Kind::kNorm},
    BlockName{"mlp.gate_proj", "ffn_gate", Kind::kLinear},
    BlockName{"mlp.up_proj", "ffn_up", Kind::kLinear},
    BlockName{"mlp.down_proj", "ffn_down", Kind::kLinear},
};

// "blk." "3" "." "attn_q" ".weight"
struct LayerName {
  std::string_view layer, part, ending;
};

// Nothing unless the name has this form.
std::optional<LayerName> split_layer(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  LayerName result;
  for (const std::string_view ending : {".weight", ".bias"}) {
    if (name.ends_with(ending)) result.ending = ending;
  }
  if (result.ending.empty()) return std::nullopt;
  name.remove_prefix(prefix.size());
  name.remove_suffix(std::min(name.size(), result.ending.size()));
  const auto digits = name.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || name[digits] != '.') return std::nullopt;
  result.layer = name.substr(0, digits);
  result.part = name.substr(digits + 1);
  return result;
}

// [out_features, in_features]
std::vector<int64_t> shape_of(std::string_view linear, const ModelConfig& c) {
  const int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  if (linear == "self_attn.q_proj") return {q, c.hidden_size};
  if (linear == "self_attn.o_proj") return {c.hidden_size, q};
  if (linear == "mlp.down_proj") return {c.hidden_size, c.intermediate_size};
  if (linear.starts_with("mlp.")) return {c.intermediate_size, c.hidden_size};
  return {kv, c.hidden_size};
}

}  // namespace

bool has_bias(std::string_view linear, const ModelConfig& c) {
  if (linear == "self_attn.o_proj") return c.o_bias;
  return linear.starts_with("mlp.") ? c.mlp_bias : c.qkv_bias;
}

std::vector<ExpectedTensor> outer_tensors(const ModelConfig& c) {
  std::vector<ExpectedTensor> tensors{{"model.embed_tokens.weight", {c.vocab_size, c.hidden_size}},
                                      {"model.norm.weight", {c.hidden_size}}};
  if (!c.tie_word_embeddings) {
    tensors.push_back({"lm_head.weight", {c.vocab_size, c.hidden_size}});
  }
  return tensors;
}

std::vector<ExpectedTensor> block_tensors(const ModelConfig& c, int64_t layer) {
  std::vector<ExpectedTensor> tensors;
  for (const auto& [name, gguf, kind] : kBlockNames) {
    if (kind == Kind::kHeadNorm && !c.qk_norm) continue;
    const std::string full = "model.layers." + std::to_string(layer) + "." + std::string(name);
    const auto shape = kind == Kind::kLinear     ? shape_of(name, c)
                       : kind == Kind::kHeadNorm ? std::vector{c.head_dim}
                                                 : std::vector{c.hidden_size};
    tensors.push_back({full + ".weight", shape});
    if (kind == Kind::kLinear && has_bias(name, c)) tensors.push_back({full + ".bias", {shape[0]}});
  }
  return tensors;
}

std::vector<ExpectedTensor> all_tensors(const ModelConfig& config) {
  auto tensors = outer_tensors(config);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    for (auto& tensor : block_tensors(config, layer)) tensors.push_back(std::move(tensor));
  }
  return tensors;
}

int64_t num_weights(const ModelConfig& config) {
  int64_t sum = 0;
  for (const auto& [name, shape] : all_tensors(config)) {
    int64_t elements = 1;
    for (const int64_t dim : shape) elements *= dim;
    sum += elements;
  }
  return sum;
}

std::optional<std::string> name_from_gguf(std::string_view name) {
  if (name == "token_embd.weight") return "model.embed_tokens.weight";
  if (name == "output_norm.weight") return "model.norm.weight";
  if (name == "output.weight") return "lm_head.weight";
  const auto parts = split_layer(name, "blk.");
  if (!parts) return std::nullopt;
  const auto found = std::ranges::find(kBlockNames, parts->part, &BlockName::gguf);
  if (found == kBlockNames.end()) return std::nullopt;
  return "model.layers." + std::string(parts->layer) + "." + std::string(found->hugging_face) +
         std::string(parts->ending);
}

std::optional<std::string> name_to_gguf(std::string_view name) {
  if (name == "model.embed_tokens.weight") return "token_embd.weight";
  if (name == "model.norm.weight") return "output_norm.weight";
  if (name == "lm_head.weight") return "output.weight";
  const auto parts = split_layer(name, "model.layers.");
  if (!parts) return std::nullopt;
  const auto found = std::ranges::find(kBlockNames, parts->part, &BlockName::hugging_face);
  if (found == kBlockNames.end()) return std::nullopt;
  return "blk." + std::string(parts->layer) + "." + std::string(found->gguf) +
         std::string(parts->ending);
}

bool is_block_linear(std::string_view name) {
  const auto parts = split_layer(name, "model.layers.");
  return parts && parts->ending == ".weight" &&
         std::ranges::any_of(kBlockNames, [&](const BlockName& block) {
           return block.kind == Kind::kLinear && block.hugging_face == parts->part;
         });
}

}  // namespace assay
