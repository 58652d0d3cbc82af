// Blocks and models out of checkpoints (declared in model/block.h).

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "model/block.h"
#include "model/kv_cache.h"
#include "model/linear_product.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 7> kLinears = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

at::Tensor checked(const std::string& name, const at::Tensor& tensor, at::IntArrayRef shape) {
  require(tensor.sizes() == shape, name, ": expected shape ", shape, ", got ", tensor.sizes());
  return tensor.to(at::kFloat).contiguous();
}

at::Tensor vector_of(const Checkpoint& checkpoint, const std::string& name, int64_t size) {
  return checked(name, checkpoint.tensor(name), {size});
}

}  // namespace

std::span<const std::string_view> block_linear_names() { return kLinears; }

Linear& linear_of(Block& block, std::string_view name) {
  constexpr std::array kMembers{&Block::q_proj,   &Block::k_proj,    &Block::v_proj,
                                &Block::o_proj,   &Block::gate_proj, &Block::up_proj,
                                &Block::down_proj};
  const auto found = std::ranges::find(kLinears, name);
  if (found == kLinears.end()) fail(ErrorKind::kInternal, "no linear '", name, "' in a block");
  return block.*kMembers[static_cast<size_t>(found - kLinears.begin())];
}

std::string linear_weight_name(int64_t layer, std::string_view linear) {
  return "model.layers." + std::to_string(layer) + "." + std::string(linear) + ".weight";
}

std::string linear_bias_name(int64_t layer, std::string_view linear) {
  return "model.layers." + std::to_string(layer) + "." + std::string(linear) + ".bias";
}

at::Tensor bias_of(const Checkpoint& checkpoint, int64_t layer, std::string_view linear) {
  if (!has_bias(linear, checkpoint.config())) return {};
  return checkpoint.tensor(linear_bias_name(layer, linear));
}

HeadNorms load_head_norms(const Checkpoint& checkpoint, int64_t layer) {
  const ModelConfig& c = checkpoint.config();
  if (!c.qk_norm) return {};
  const std::string prefix = "model.layers." + std::to_string(layer) + ".self_attn.";
  return {.q = vector_of(checkpoint, prefix + "q_norm.weight", c.head_dim),
          .k = vector_of(checkpoint, prefix + "k_norm.weight", c.head_dim)};
}

Block make_block(const Checkpoint& checkpoint, int64_t layer,
                 const std::function<at::Tensor(std::string_view linear)>& weight_of) {
  const ModelConfig& c = checkpoint.config();
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  const int64_t width = c.hidden_size, mlp = c.intermediate_size;
  const int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  const auto int8 = checkpoint.int8_product();
  const auto linear = [&](std::string_view name, int64_t out, int64_t in) {
    const auto weight = checked(linear_weight_name(layer, name), weight_of(name), {out, in});
    const auto bias = bias_of(checkpoint, layer, name);
    return int8 ? Linear::llm_int8(weight, *int8, bias) : Linear(weight, bias);
  };
  Block block;
  block.input_layernorm = vector_of(checkpoint, prefix + "input_layernorm.weight", width);
  block.post_attention_layernorm =
      vector_of(checkpoint, prefix + "post_attention_layernorm.weight", width);
  block.q_proj = linear("self_attn.q_proj", q, width);
  block.k_proj = linear("self_attn.k_proj", kv, width);
  block.v_proj = linear("self_attn.v_proj", kv, width);
  block.o_proj = linear("self_attn.o_proj", width, q);
  block.gate_proj = linear("mlp.gate_proj", mlp, width);
  block.up_proj = linear("mlp.up_proj", mlp, width);
  block.down_proj = linear("mlp.down_proj", width, mlp);
  block.head_norms = load_head_norms(checkpoint, layer);
  block.window = window_of_layer(c, layer);
  return block;
}

Block load_block(const Checkpoint& checkpoint, int64_t layer) {
  return make_block(checkpoint, layer, [&](std::string_view linear) {
    return checkpoint.tensor(linear_weight_name(layer, linear));
  });
}

CausalLM load_causal_lm(const Checkpoint& checkpoint) {
  CausalLM model;
  model.config = checkpoint.config();
  const std::vector<int64_t> table_shape{model.config.vocab_size, model.config.hidden_size};
  model.embed_tokens = checked("model.embed_tokens.weight",
                               checkpoint.tensor("model.embed_tokens.weight"), table_shape);
  for (int64_t i = 0; i < model.config.num_hidden_layers; ++i)
    model.blocks.push_back(load_block(checkpoint, i));
  model.norm = vector_of(checkpoint, "model.norm.weight", model.config.hidden_size);
  model.lm_head =
      model.config.tie_word_embeddings
          ? Linear(model.embed_tokens)
          : Linear(checked("lm_head.weight", checkpoint.tensor("lm_head.weight"), table_shape));
  model.kv_cache = kv_cache_format(checkpoint.provenance());
  return model;
}

}  // namespace assay
