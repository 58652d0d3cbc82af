#include "model/tensor_names.h"

#include <algorithm>
#include <array>

namespace assay {
namespace {

struct BlockName {
  std::string_view hugging_face, gguf;
  bool linear;
};

constexpr std::array kBlockNames{
    BlockName{"input_layernorm", "attn_norm", false},
    BlockName{"self_attn.q_proj", "attn_q", true},
    BlockName{"self_attn.k_proj", "attn_k", true},
    BlockName{"self_attn.v_proj", "attn_v", true},
    BlockName{"self_attn.o_proj", "attn_output", true},
    BlockName{"post_attention_layernorm", "ffn_norm", false},
    BlockName{"mlp.gate_proj", "ffn_gate", true},
    BlockName{"mlp.up_proj", "ffn_up", true},
    BlockName{"mlp.down_proj", "ffn_down", true},
};

constexpr std::string_view kWeight = ".weight";

// "blk." "3" "." "attn_q" -> the digits and what follows; false unless the name has this form.
struct LayerName {
  std::string_view layer, rest;
};

std::optional<LayerName> split_layer(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || !name.ends_with(kWeight)) return std::nullopt;
  name.remove_prefix(prefix.size());
  name.remove_suffix(kWeight.size());
  const auto digits = name.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || name[digits] != '.') return std::nullopt;
  return LayerName{name.substr(0, digits), name.substr(digits + 1)};
}

}  // namespace

std::vector<ExpectedTensor> outer_tensors(const ModelConfig& c) {
  std::vector<ExpectedTensor> tensors{{"model.embed_tokens.weight", {c.vocab_size, c.hidden_size}},
                                      {"model.norm.weight", {c.hidden_size}}};
  if (!c.tie_word_embeddings) {
    tensors.push_back({"lm_head.weight", {c.vocab_size, c.hidden_size}});
  }
  return tensors;
}

std::vector<ExpectedTensor> block_tensors(const ModelConfig& c, int64_t layer) {
  const int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  const int64_t h = c.hidden_size, m = c.intermediate_size;
  const std::array<std::vector<int64_t>, kBlockNames.size()> shapes{
      {{h}, {q, h}, {kv, h}, {kv, h}, {h, q}, {h}, {m, h}, {m, h}, {h, m}}};
  std::vector<ExpectedTensor> tensors;
  for (size_t i = 0; i < kBlockNames.size(); ++i) {
    tensors.push_back({"model.layers." + std::to_string(layer) + "." +
                           std::string(kBlockNames[i].hugging_face) + ".weight",
                       shapes[i]});
  }
  return tensors;
}

std::optional<std::string> name_from_gguf(std::string_view name) {
  if (name == "token_embd.weight") return "model.embed_tokens.weight";
  if (name == "output_norm.weight") return "model.norm.weight";
  if (name == "output.weight") return "lm_head.weight";
  const auto parts = split_layer(name, "blk.");
  if (!parts) return std::nullopt;
  const auto found = std::ranges::find(kBlockNames, parts->rest, &BlockName::gguf);
  if (found == kBlockNames.end()) return std::nullopt;
  return "model.layers." + std::string(parts->layer) + "." + std::string(found->hugging_face) +
         ".weight";
}

bool is_block_linear(std::string_view name) {
  const auto parts = split_layer(name, "model.layers.");
  return parts && std::ranges::any_of(kBlockNames, [&](const BlockName& block) {
           return block.linear && block.hugging_face == parts->rest;
         });
}

}  // namespace assay
