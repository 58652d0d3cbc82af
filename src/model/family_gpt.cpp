// The families with layer norms, biases and an MLP without a gate: GPT-2, OPT, BLOOM, GPT-NeoX
// (Pythia) and Falcon.

#include "base/error.h"
#include "model/family.h"

namespace assay {
namespace {

using kernels::Activation;

// Of every family here.
ModelConfig gpt_defaults(Activation activation) {
  return {.max_position_embeddings = 2048,
          .rms_norm_eps = 1e-5,
          .qkv_bias = true,
          .o_bias = true,
          .mlp_bias = true,
          .tie_word_embeddings = true,
          .norm = NormKind::kLayer,
          .hidden_act = activation,
          .gated_mlp = false};
}

int64_t intermediate_or_four_times(const Json& config, const ModelConfig& c) {
  const int64_t given = json_get_or<int64_t>(config, "intermediate_size", 0, "config");
  return given > 0 ? given : 4 * c.hidden_size;
}

// GPT-2

constexpr std::array kGpt2Keys{
    KeyName{"hidden_size", "n_embd"},
    KeyName{"num_hidden_layers", "n_layer"},
    KeyName{"num_attention_heads", "n_head"},
    KeyName{"max_position_embeddings", "n_positions"},
    KeyName{"intermediate_size", "n_inner"},
    KeyName{"rms_norm_eps", "layer_norm_epsilon"},
    KeyName{"hidden_act", "activation_function"},
};
constexpr std::array kGpt2Names{
    FileName{"ln_1", {"input_layernorm", "", ""}},
    FileName{"attn.c_attn",
             {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
             PartLayout::kColumns},
    FileName{"attn.c_proj", {"self_attn.o_proj", "", ""}, PartLayout::kColumns},
    FileName{"ln_2", {"post_attention_layernorm", "", ""}},
    FileName{"mlp.c_fc", {"mlp.fc1", "", ""}, PartLayout::kColumns},
    FileName{"mlp.c_proj", {"mlp.fc2", "", ""}, PartLayout::kColumns},
};
constexpr std::array<std::string_view, 2> kGpt2Ignored{".attn.bias", ".attn.masked_bias"};

void read_gpt2(const Json& config, ModelConfig& c) {
  c.intermediate_size = intermediate_or_four_times(config, c);
  require_only(config, "scale_attn_weights", true);
  require_only(config, "scale_attn_by_inverse_layer_idx", false);
  require_only(config, "add_cross_attention", false);
}

// OPT

constexpr std::array kOptKeys{KeyName{"intermediate_size", "ffn_dim"},
                              KeyName{"hidden_act", "activation_function"}};
constexpr std::array kOptNames{
    FileName{"self_attn_layer_norm", {"input_layernorm", "", ""}},
    FileName{"self_attn.out_proj", {"self_attn.o_proj", "", ""}},
    FileName{"final_layer_norm", {"post_attention_layernorm", "", ""}},
    FileName{"fc1", {"mlp.fc1", "", ""}},
    FileName{"fc2", {"mlp.fc2", "", ""}},
};

void read_opt(const Json& config, ModelConfig& c) {
  require_only(config, "do_layer_norm_before", true);
  require_only(config, "word_embed_proj_dim", c.hidden_size);
  require_only(config, "enable_bias", true);
  require_only(config, "layer_norm_elementwise_affine", true);
  require_only(config, "_remove_final_layer_norm", false);
}

void write_opt(const ModelConfig& c, Json& config) {
  config["word_embed_proj_dim"] = c.hidden_size;
  config["do_layer_norm_before"] = true;
}

ModelConfig opt_defaults() {
  ModelConfig c = gpt_defaults(Activation::kRelu);
  c.positions = PositionKind::kLearned;
  c.position_offset = 2;
  return c;
}

// BLOOM's and Falcon's, whose newer architecture has a norm for each of attention and MLP.
constexpr std::array kDenseNames{
    FileName{"self_attention.query_key_value",
             {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
             PartLayout::kGroups},
    FileName{"self_attention.dense", {"self_attn.o_proj", "", ""}},
    FileName{"mlp.dense_h_to_4h", {"mlp.fc1", "", ""}},
    FileName{"mlp.dense_4h_to_h", {"mlp.fc2", "", ""}},
    FileName{"ln_attn", {"input_layernorm", "", ""}},
    FileName{"ln_mlp", {"post_attention_layernorm", "", ""}},
};
constexpr auto kPlainDenseNames = std::span<const FileName>(kDenseNames).first(4);

// BLOOM

constexpr std::array kBloomKeys{
    KeyName{"hidden_size", "hidden_size"},         KeyName{"hidden_size", "n_embed"},
    KeyName{"num_hidden_layers", "n_layer"},       KeyName{"num_attention_heads", "n_head"},
    KeyName{"rms_norm_eps", "layer_norm_epsilon"}, KeyName{"max_position_embeddings", "seq_length"},
};
void read_bloom(const Json& config, ModelConfig& c) {
  c.intermediate_size = 4 * c.hidden_size;
  require_only(config, "apply_residual_connection_post_layernorm", false);
}

ModelConfig bloom_defaults() {
  ModelConfig c = gpt_defaults(Activation::kGeluTanh);
  c.positions = PositionKind::kAlibi;
  c.embedding_norm = true;
  return c;
}

// GPT-NeoX

constexpr std::array kNeoxKeys{
    KeyName{"rope_theta", "rotary_emb_base"}, KeyName{"rope_theta", "rope_theta"},
    KeyName{"partial_rotary_factor", "rotary_pct"}, KeyName{"rms_norm_eps", "layer_norm_eps"}};
constexpr std::array kNeoxNames{
    FileName{"attention.query_key_value",
             {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
             PartLayout::kGroups},
    FileName{"attention.dense", {"self_attn.o_proj", "", ""}},
    FileName{"mlp.dense_h_to_4h", {"mlp.fc1", "", ""}},
    FileName{"mlp.dense_4h_to_h", {"mlp.fc2", "", ""}},
};
constexpr std::array<std::string_view, 2> kNeoxIgnored{".attention.bias", ".attention.masked_bias"};

void read_neox(const Json& config, ModelConfig& c) {
  c.parallel_residual = json_get_or<bool>(config, "use_parallel_residual", true, "config");
  c.qkv_bias = c.o_bias = json_get_or<bool>(config, "attention_bias", true, "config");
}

void write_neox(const ModelConfig& c, Json& config) {
  config["use_parallel_residual"] = c.parallel_residual;
  config["attention_bias"] = c.qkv_bias;
}

ModelConfig neox_defaults() {
  ModelConfig c = gpt_defaults(Activation::kGelu);
  c.tie_word_embeddings = false;
  return c;
}

// Falcon

constexpr std::array kFalconKeys{
    KeyName{"rms_norm_eps", "layer_norm_epsilon"}, KeyName{"intermediate_size", "ffn_hidden_size"},
    KeyName{"hidden_act", "activation"}, KeyName{"num_key_value_heads", "num_kv_heads"}};
std::span<const FileName> falcon_names(const ModelConfig& c) {
  const bool has_two_norms = c.parallel_residual && !c.shared_norm;
  return has_two_norms ? std::span<const FileName>(kDenseNames) : kPlainDenseNames;
}

void read_falcon(const Json& config, ModelConfig& c) {
  c.intermediate_size = intermediate_or_four_times(config, c);
  require_only(config, "alibi", false);
  const bool is_new = json_get_or<bool>(config, "new_decoder_architecture", false, "config");
  const bool multi_query = json_get_or<bool>(config, "multi_query", true, "config");
  if (!is_new) c.num_key_value_heads = multi_query ? 1 : c.num_attention_heads;
  c.qkv_bias = c.o_bias = c.mlp_bias = json_get_or<bool>(config, "bias", false, "config");
  c.parallel_residual = is_new || json_get_or<bool>(config, "parallel_attn", true, "config");
  const auto norms =
      json_get_or<int64_t>(config, "num_ln_in_parallel_attn", is_new ? 2 : 1, "config");
  c.shared_norm = c.parallel_residual && !(is_new && norms == 2);
}

void write_falcon(const ModelConfig& c, Json& config) {
  const bool has_two_norms = c.parallel_residual && !c.shared_norm;
  const bool is_new = has_two_norms || (c.num_key_value_heads != 1 &&
                                        c.num_key_value_heads != c.num_attention_heads);
  config["new_decoder_architecture"] = is_new;
  config["multi_query"] = c.num_key_value_heads == 1;
  config["parallel_attn"] = c.parallel_residual;
  config["bias"] = c.qkv_bias;
  config["alibi"] = false;
  if (is_new) config["num_ln_in_parallel_attn"] = has_two_norms ? 2 : 1;
}

}  // namespace

std::vector<Family> gpt_families() {
  ModelConfig gpt2 = gpt_defaults(Activation::kGeluTanh);
  gpt2.positions = PositionKind::kLearned;
  gpt2.max_position_embeddings = 1024;
  return {
      Family{.model_type = "gpt2",
             .architecture = "GPT2LMHeadModel",
             .gguf = "",
             .outer = {.trunk = "transformer.",
                       .trunk_may_be_absent = true,
                       .layers = "h.",
                       .embed_tokens = "wte",
                       .norm = "ln_f",
                       .position_embeddings = "wpe"},
             .names = [](const ModelConfig&) -> std::span<const FileName> { return kGpt2Names; },
             .keys = kGpt2Keys,
             .defaults = gpt2,
             .read = read_gpt2,
             .ignored = kGpt2Ignored},
      Family{.model_type = "opt",
             .architecture = "OPTForCausalLM",
             .gguf = "",
             .outer = {.trunk = "model.decoder.",
                       .norm = "final_layer_norm",
                       .position_embeddings = "embed_positions"},
             .names = [](const ModelConfig&) -> std::span<const FileName> { return kOptNames; },
             .keys = kOptKeys,
             .defaults = opt_defaults(),
             .read = read_opt,
             .write = write_opt},
      Family{
          .model_type = "bloom",
          .architecture = "BloomForCausalLM",
          .gguf = "",
          .outer = {.trunk = "transformer.",
                    .trunk_may_be_absent = true,
                    .layers = "h.",
                    .embed_tokens = "word_embeddings",
                    .norm = "ln_f",
                    .embedding_norm = "word_embeddings_layernorm"},
          .names = [](const ModelConfig&) -> std::span<const FileName> { return kPlainDenseNames; },
          .keys = kBloomKeys,
          .defaults = bloom_defaults(),
          .read = read_bloom},
      Family{.model_type = "gpt_neox",
             .architecture = "GPTNeoXForCausalLM",
             .gguf = "",
             .outer = {.trunk = "gpt_neox.",
                       .embed_tokens = "embed_in",
                       .norm = "final_layer_norm",
                       .lm_head = "embed_out"},
             .names = [](const ModelConfig&) -> std::span<const FileName> { return kNeoxNames; },
             .keys = kNeoxKeys,
             .defaults = neox_defaults(),
             .turns_in_part = true,
             .read = read_neox,
             .write = write_neox,
             .ignored = kNeoxIgnored},
      Family{.model_type = "falcon",
             .architecture = "FalconForCausalLM",
             .gguf = "",
             .outer = {.trunk = "transformer.",
                       .layers = "h.",
                       .embed_tokens = "word_embeddings",
                       .norm = "ln_f"},
             .names = falcon_names,
             .keys = kFalconKeys,
             .defaults = gpt_defaults(Activation::kGelu),
             .read = read_falcon,
             .write = write_falcon},
  };
}

}  // namespace assay
