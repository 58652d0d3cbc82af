// Blocks and models out of checkpoints (declared in model/block.h).

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "model/block.h"
#include "model/kv_cache.h"
#include "model/linear_product.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

at::Tensor checked(const std::string& name, const at::Tensor& tensor, at::IntArrayRef shape) {
  require(tensor.sizes() == shape, name, ": expected shape ", shape, ", got ", tensor.sizes());
  return tensor.to(at::kFloat).contiguous();
}

at::Tensor vector_of(const Checkpoint& checkpoint, const std::string& name, int64_t size) {
  return checked(name, checkpoint.tensor(name), {size});
}

// An MLP by the names of its linears; one without a gate has fc1 for up_proj and fc2 for down_proj.
Linear* linear_of_mlp(Linear& gate_proj, Linear& up_proj, Linear& down_proj,
                      std::string_view part) {
  if (part == "gate_proj") return &gate_proj;
  if (part == "up_proj" || part == "fc1") return &up_proj;
  return part == "down_proj" || part == "fc2" ? &down_proj : nullptr;
}

Linear* linear_of_experts(Experts& experts, std::string_view name) {
  constexpr std::string_view kShared = "mlp.shared_expert.";
  if (name.starts_with(kShared) && experts.shared) {
    Mlp& mlp = *experts.shared;
    return linear_of_mlp(mlp.gate_proj, mlp.up_proj, mlp.down_proj, name.substr(kShared.size()));
  }
  const auto of = expert_part(name);
  if (!of || of->expert < 0 || of->expert >= std::ssize(experts.experts)) return nullptr;
  Mlp& mlp = experts.experts[static_cast<size_t>(of->expert)];
  return linear_of_mlp(mlp.gate_proj, mlp.up_proj, mlp.down_proj, of->part);
}

Linear* find_linear(Block& block, std::string_view name) {
  if (name == "self_attn.q_proj") return &block.q_proj;
  if (name == "self_attn.k_proj") return &block.k_proj;
  if (name == "self_attn.v_proj") return &block.v_proj;
  if (name == "self_attn.o_proj") return &block.o_proj;
  if (block.experts) return linear_of_experts(*block.experts, name);
  constexpr std::string_view kMlp = "mlp.";
  if (!name.starts_with(kMlp)) return nullptr;
  return linear_of_mlp(block.gate_proj, block.up_proj, block.down_proj, name.substr(kMlp.size()));
}

// The experts of a block without their linears' weights.
Experts empty_experts(const Checkpoint& checkpoint, int64_t layer) {
  const ExpertConfig& config = checkpoint.config().experts;
  Experts experts;
  experts.router = Linear(checkpoint.tensor(linear_weight_name(layer, "mlp.gate")));
  experts.experts.resize(static_cast<size_t>(config.num_experts));
  if (config.shared_expert_intermediate_size > 0) {
    experts.shared.emplace();
    experts.shared_gate =
        Linear(checkpoint.tensor(linear_weight_name(layer, "mlp.shared_expert_gate")));
  }
  return experts;
}

}  // namespace

std::span<const std::string_view> linear_names_of(const Block& block, const ModelConfig& config) {
  return block_linear_names(config, block.experts ? MlpKind::kExperts : MlpKind::kPlain);
}

Linear& linear_of(Block& block, std::string_view name) {
  Linear* linear = find_linear(block, name);
  if (linear == nullptr) fail(ErrorKind::kInternal, "no linear '", name, "' in a block");
  return *linear;
}

at::Tensor bias_of(const Checkpoint& checkpoint, int64_t layer, std::string_view linear) {
  if (!has_bias(linear, checkpoint.config())) return {};
  return checkpoint.tensor(linear_bias_name(layer, linear));
}

Norm load_norm(const Checkpoint& checkpoint, const std::string& name) {
  const ModelConfig& c = checkpoint.config();
  Norm norm(vector_of(checkpoint, name + ".weight", c.hidden_size));
  if (c.norms_store_minus_one) norm.weight = 1 + norm.weight;
  if (c.norm == NormKind::kLayer) norm.bias = vector_of(checkpoint, name + ".bias", c.hidden_size);
  return norm;
}

at::Tensor stored_norm_weight(const ModelConfig& config, const at::Tensor& weight) {
  return config.norms_store_minus_one ? weight - 1 : weight;
}

HeadNorms load_head_norms(const Checkpoint& checkpoint, int64_t layer) {
  const ModelConfig& c = checkpoint.config();
  if (!c.qk_norm) return {};
  const auto norm = [&](std::string_view name) {
    const auto weight = vector_of(checkpoint, linear_weight_name(layer, name), c.head_dim);
    return c.norms_store_minus_one ? 1 + weight : weight;
  };
  return {.q = norm("self_attn.q_norm"), .k = norm("self_attn.k_norm")};
}

Block make_block(const Checkpoint& checkpoint, int64_t layer,
                 const std::function<at::Tensor(std::string_view linear)>& weight_of) {
  const ModelConfig& c = checkpoint.config();
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  const auto int8 = checkpoint.int8_product();
  Block block;
  block.input_layernorm = load_norm(checkpoint, prefix + "input_layernorm");
  if (!c.shared_norm)
    block.post_attention_layernorm = load_norm(checkpoint, prefix + "post_attention_layernorm");
  if (c.output_norms) {
    block.attention_output_norm = load_norm(checkpoint, prefix + "attention_output_norm");
    block.mlp_output_norm = load_norm(checkpoint, prefix + "mlp_output_norm");
  }
  if (mlp_kind(c, layer) == MlpKind::kExperts) block.experts = empty_experts(checkpoint, layer);
  for (const std::string_view name : block_linear_names(c, layer)) {
    const auto weight =
        checked(linear_weight_name(layer, name), weight_of(name), linear_shape(name, c));
    const auto bias = bias_of(checkpoint, layer, name);
    linear_of(block, name) = int8 ? Linear::llm_int8(weight, *int8, bias) : Linear(weight, bias);
  }
  block.head_norms = load_head_norms(checkpoint, layer);
  block.window = window_of_layer(c, layer);
  return block;
}

Block load_block(const Checkpoint& checkpoint, int64_t layer) {
  return make_block(checkpoint, layer, [&](std::string_view linear) {
    return checkpoint.tensor(linear_weight_name(layer, linear));
  });
}

Embedding load_embedding(const Checkpoint& checkpoint) {
  const ModelConfig& c = checkpoint.config();
  Embedding embedding(checked("model.embed_tokens.weight",
                              checkpoint.tensor("model.embed_tokens.weight"),
                              {c.vocab_size, c.hidden_size}));
  if (c.positions == PositionKind::kLearned)
    embedding.positions = checkpoint.tensor("model.position_embeddings.weight");
  if (c.embedding_norm) embedding.norm = load_norm(checkpoint, "model.embedding_norm");
  return embedding;
}

CausalLM load_causal_lm(const Checkpoint& checkpoint) {
  CausalLM model;
  model.config = checkpoint.config();
  const std::vector<int64_t> table_shape{model.config.vocab_size, model.config.hidden_size};
  model.embedding = load_embedding(checkpoint);
  for (int64_t i = 0; i < model.config.num_hidden_layers; ++i)
    model.blocks.push_back(load_block(checkpoint, i));
  model.norm = load_norm(checkpoint, "model.norm");
  model.lm_head =
      model.config.tie_word_embeddings
          ? Linear(model.embedding.tokens)
          : Linear(checked("lm_head.weight", checkpoint.tensor("lm_head.weight"), table_shape));
  model.kv_cache = kv_cache_format(checkpoint.provenance());
  return model;
}

}  // namespace assay
