#include "model/config.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "io/gguf.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 2> kModelTypes{"llama", "mistral"};

void require_known_type(std::string_view type) {
  require(std::ranges::find(kModelTypes, type) != kModelTypes.end(), "unsupported architecture '",
          type, "'", suggest(type, kModelTypes));
}

// What must hold before anything is computed from the numbers.
ModelConfig checked(const ModelConfig& c) {
  const auto positive = [](int64_t value, std::string_view field) {
    require(value > 0 && value <= (int64_t{1} << 31), field, " must be in [1, 2^31], got ", value);
  };
  positive(c.hidden_size, "hidden_size");
  positive(c.intermediate_size, "intermediate_size");
  positive(c.num_hidden_layers, "num_hidden_layers");
  positive(c.num_attention_heads, "num_attention_heads");
  positive(c.num_key_value_heads, "num_key_value_heads");
  positive(c.head_dim, "head_dim");
  positive(c.vocab_size, "vocab_size");
  positive(c.max_position_embeddings, "max_position_embeddings");
  require(c.head_dim % 2 == 0, "head_dim must be even, got ", c.head_dim);
  require(c.num_attention_heads % c.num_key_value_heads == 0, "num_attention_heads ",
          c.num_attention_heads, " is not a multiple of num_key_value_heads ",
          c.num_key_value_heads);
  require(std::isfinite(c.rms_norm_eps) && c.rms_norm_eps > 0,
          "rms_norm_eps must be positive, got ", c.rms_norm_eps);
  require(std::isfinite(c.rope_theta) && c.rope_theta > 0, "rope_theta must be positive, got ",
          c.rope_theta);
  return c;
}

int64_t head_dim_of(int64_t hidden_size, int64_t num_attention_heads) {
  require(num_attention_heads > 0 && hidden_size % num_attention_heads == 0,
          "no head_dim, and hidden_size ", hidden_size,
          " is not a multiple of num_attention_heads ", num_attention_heads);
  return hidden_size / num_attention_heads;
}

bool is_set(const Json& config, const char* key) {
  return config.contains(key) && !config[key].is_null();
}

// Fields that change what the model computes, and that no code here computes.
void refuse_unsupported(const Json& config) {
  for (const auto* flag : {"attention_bias", "mlp_bias", "rope_interleaved"}) {
    require(!is_set(config, flag) || config[flag] == false, "unsupported: '", flag,
            "': ", is_set(config, flag) ? config[flag].dump() : "");
  }
  const auto activation = json_get_or<std::string>(config, "hidden_act", "silu", "config");
  require(activation == "silu", "unsupported: 'hidden_act': '", activation, "' (only silu)");
  require(!is_set(config, "quantization_config"),
          "unsupported: 'quantization_config' (this folder holds packed weights)");
  require(!is_set(config, "partial_rotary_factor") || config["partial_rotary_factor"] == 1.0,
          "unsupported: 'partial_rotary_factor'");
}

// rope_theta stands at the top (transformers 4) or in rope_parameters (transformers 5); any scaling
// is refused.
double rope_theta_of(const Json& config) {
  double theta = json_get_or<double>(config, "rope_theta", 10000.0, "config");
  for (const auto* key : {"rope_scaling", "rope_parameters"}) {
    if (!is_set(config, key)) continue;
    const auto& rope = config[key];
    require(rope.is_object(), "'", key, "' must be an object, got ", rope.dump());
    const auto* type_key = rope.contains("rope_type") ? "rope_type" : "type";
    const auto type = json_get_or<std::string>(rope, type_key, "default", key);
    require(type == "default", "unsupported: '", key, "' of type '", type, "'");
    require(!is_set(rope, "factor") || rope["factor"] == 1.0, "unsupported: '", key,
            "' with 'factor'");
    theta = json_get_or<double>(rope, "rope_theta", theta, key);
  }
  return theta;
}

// A window that no position leaves is none. Without the key Mistral's own default holds.
void refuse_sliding_window(const Json& config, const ModelConfig& c) {
  const bool absent = !config.contains("sliding_window");
  if (absent && c.model_type != "mistral") return;
  if (!absent && config["sliding_window"].is_null()) return;
  const auto window = absent ? 4096 : json_get<int64_t>(config, "sliding_window", "config");
  require(window >= c.max_position_embeddings, "unsupported: 'sliding_window' ", window,
          " is smaller than max_position_embeddings ", c.max_position_embeddings);
}

// A token id, or the first of a list of them.
std::optional<int64_t> token_id(const Json& config, const char* key) {
  if (!is_set(config, key)) return std::nullopt;
  const auto& value = config[key];
  if (value.is_array() && !value.empty()) {
    require(value[0].is_number_integer(), "'", key, "' must hold integers, got ", value.dump());
    return value[0].get<int64_t>();
  }
  return json_get<int64_t>(config, key, "config");
}

}  // namespace

ModelConfig config_from_json(const Json& config) {
  const auto size = [&](const char* key) { return json_get<int64_t>(config, key, "config"); };
  ModelConfig c;
  c.model_type = json_get<std::string>(config, "model_type", "config");
  require_known_type(c.model_type);
  refuse_unsupported(config);
  c.hidden_size = size("hidden_size");
  c.intermediate_size = size("intermediate_size");
  c.num_hidden_layers = size("num_hidden_layers");
  c.num_attention_heads = size("num_attention_heads");
  // Llama's default is one key-value head a head, Mistral's 8.
  c.num_key_value_heads = is_set(config, "num_key_value_heads") ? size("num_key_value_heads")
                          : c.model_type == "mistral"           ? 8
                                                                : c.num_attention_heads;
  c.head_dim = is_set(config, "head_dim") ? size("head_dim")
                                          : head_dim_of(c.hidden_size, c.num_attention_heads);
  c.vocab_size = size("vocab_size");
  c.max_position_embeddings = size("max_position_embeddings");
  c.rms_norm_eps = json_get_or<double>(config, "rms_norm_eps", 1e-6, "config");
  c.rope_theta = rope_theta_of(config);
  c.tie_word_embeddings = json_get_or<bool>(config, "tie_word_embeddings", false, "config");
  c.bos_token_id = token_id(config, "bos_token_id");
  c.eos_token_id = token_id(config, "eos_token_id");
  refuse_sliding_window(config, c);
  return checked(c);
}

ModelConfig config_from_gguf(const GgufFile& file) {
  ModelConfig c;
  c.model_type = file.string("general.architecture");
  // Mistral's files say llama too: the same computation.
  require(c.model_type == "llama", "unsupported architecture '", c.model_type,
          "' (known in GGUF: llama)");
  const std::string arch = c.model_type + ".";
  c.hidden_size = file.integer(arch + "embedding_length");
  c.intermediate_size = file.integer(arch + "feed_forward_length");
  c.num_hidden_layers = file.integer(arch + "block_count");
  c.num_attention_heads = file.integer(arch + "attention.head_count");
  c.num_key_value_heads =
      file.find_integer(arch + "attention.head_count_kv").value_or(c.num_attention_heads);
  const auto key_length = file.find_integer(arch + "attention.key_length");
  c.head_dim = key_length ? *key_length : head_dim_of(c.hidden_size, c.num_attention_heads);
  for (const auto* same : {"attention.value_length", "rope.dimension_count"}) {
    const auto value = file.find_integer(arch + same).value_or(c.head_dim);
    require(value == c.head_dim, "unsupported: '", arch, same, "' ", value,
            " differs from the head size ", c.head_dim);
  }
  c.max_position_embeddings = file.integer(arch + "context_length");
  c.rms_norm_eps = file.number(arch + "attention.layer_norm_rms_epsilon");
  c.rope_theta = file.find_number(arch + "rope.freq_base").value_or(10000.0);
  const auto scaling = file.find_string(arch + "rope.scaling.type").value_or("none");
  require(scaling == "none", "unsupported: '", arch, "rope.scaling.type' '", scaling, "'");
  require(file.find_integer(arch + "expert_count").value_or(0) == 0, "unsupported: '", arch,
          "expert_count'");
  const auto window = file.find_integer(arch + "attention.sliding_window").value_or(0);
  require(window == 0 || window >= c.max_position_embeddings, "unsupported: '", arch,
          "attention.sliding_window' ", window, " is smaller than the context length");
  const auto* embedding = file.find_tensor("token_embd.weight");
  require(embedding != nullptr && embedding->dims.size() == 2, "no matrix 'token_embd.weight'");
  c.vocab_size = static_cast<int64_t>(embedding->dims[1]);
  c.tie_word_embeddings = file.find_tensor("output.weight") == nullptr;
  c.bos_token_id = file.find_integer("tokenizer.ggml.bos_token_id");
  c.eos_token_id = file.find_integer("tokenizer.ggml.eos_token_id");
  return checked(c);
}

Json config_to_json(const ModelConfig& c, const std::string& dtype) {
  const auto id = [](const std::optional<int64_t>& value) { return value ? Json(*value) : Json(); };
  const bool mistral = c.model_type == "mistral";
  Json json = {{"architectures", {mistral ? "MistralForCausalLM" : "LlamaForCausalLM"}},
               {"model_type", c.model_type},
               {"hidden_size", c.hidden_size},
               {"intermediate_size", c.intermediate_size},
               {"num_hidden_layers", c.num_hidden_layers},
               {"num_attention_heads", c.num_attention_heads},
               {"num_key_value_heads", c.num_key_value_heads},
               {"head_dim", c.head_dim},
               {"vocab_size", c.vocab_size},
               {"max_position_embeddings", c.max_position_embeddings},
               {"hidden_act", "silu"},
               {"rms_norm_eps", c.rms_norm_eps},
               {"rope_theta", c.rope_theta},
               {"rope_scaling", nullptr},
               {"attention_bias", false},
               {"mlp_bias", false},
               {"tie_word_embeddings", c.tie_word_embeddings},
               {"bos_token_id", id(c.bos_token_id)},
               {"eos_token_id", id(c.eos_token_id)},
               {"torch_dtype", dtype}};
  if (mistral) json["sliding_window"] = nullptr;  // its absence would mean 4096
  return json;
}

}  // namespace assay
