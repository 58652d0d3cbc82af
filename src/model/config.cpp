#include "model/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "io/gguf.h"
#include "model/family.h"

namespace assay {
namespace {

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
  require(!is_set(config, "rope_interleaved") || config["rope_interleaved"] == false,
          "unsupported: 'rope_interleaved'");
  const auto activation = json_get_or<std::string>(config, "hidden_act", "silu", "config");
  require(activation == "silu", "unsupported: 'hidden_act': '", activation, "' (only silu)");
  require(!is_set(config, "partial_rotary_factor") || config["partial_rotary_factor"] == 1.0,
          "unsupported: 'partial_rotary_factor'");
}

// rope_theta stands at the top (transformers 4) or in rope_parameters (transformers 5).
void read_rope(const Json& config, ModelConfig& c) {
  c.rope_theta = json_get_or<double>(config, "rope_theta", 10000.0, "config");
  for (const auto* key : {"rope_scaling", "rope_parameters"}) {
    if (!is_set(config, key)) continue;
    in_context(key, [&] {
      c.rope_scaling = rope_scaling_from_json(config[key], c.max_position_embeddings);
      c.rope_theta = json_get_or<double>(config[key], "rope_theta", c.rope_theta, key);
    });
  }
}

void read_biases(const Json& config, const Family& family, ModelConfig& c) {
  const auto flag = [&](const char* key) {
    const bool value = json_get_or<bool>(config, key, false, "config");
    require(!value || family.reads_biases, "unsupported: '", key, "' in a model of type ",
            family.model_type);
    return value;
  };
  const bool of_attention = flag("attention_bias");
  c.qkv_bias = family.always_qkv_bias || of_attention;
  c.o_bias = of_attention;
  c.mlp_bias = flag("mlp_bias");
}

// A GGUF file has no key for them.
void read_biases(const GgufFile& file, const Family& family, ModelConfig& c) {
  c.qkv_bias = family.always_qkv_bias || file.find_tensor("blk.0.attn_q.bias") != nullptr;
  c.o_bias = file.find_tensor("blk.0.attn_output.bias") != nullptr;
  c.mlp_bias = file.find_tensor("blk.0.ffn_up.bias") != nullptr;
  const bool fits = family.reads_biases ? c.qkv_bias == c.o_bias : !c.o_bias && !c.mlp_bias;
  require(fits, "unsupported: these linears with a bias and not others in a model of type ",
          family.model_type, ": ", c.qkv_bias ? "q, k, v" : "", c.o_bias ? " o" : "",
          c.mlp_bias ? " gate, up, down" : "");
}

// The layers that slide, which must be the last ones: what layer_types or max_window_layers say.
int64_t first_sliding_layer(const Json& config, const ModelConfig& c) {
  if (!is_set(config, "layer_types")) {
    return json_get_or<int64_t>(config, "max_window_layers", 28, "config");
  }
  const auto types = json_get<std::vector<std::string>>(config, "layer_types", "config");
  require(static_cast<int64_t>(types.size()) == c.num_hidden_layers, "layer_types names ",
          types.size(), " layers of ", c.num_hidden_layers);
  int64_t first = c.num_hidden_layers;
  for (int64_t i = c.num_hidden_layers - 1; i >= 0; --i) {
    const std::string& type = types[static_cast<size_t>(i)];
    if (type == "sliding_attention" && first == i + 1) {
      first = i;
      continue;
    }
    require(type == "full_attention", "unsupported: layer_types with '", type, "' at layer ", i);
  }
  return first;
}

// A window that no position leaves is none.
void read_window(const Json& config, const Family& family, ModelConfig& c) {
  if (family.window_is_optional &&
      !json_get_or<bool>(config, "use_sliding_window", false, "config")) {
    return;
  }
  const bool is_absent = !config.contains("sliding_window");
  if (is_absent ? family.sliding_window == 0 : config["sliding_window"].is_null()) return;
  const auto window =
      is_absent ? family.sliding_window : json_get<int64_t>(config, "sliding_window", "config");
  require(window > 0, "sliding_window must be positive, got ", window);
  require(family.sliding_window > 0 || window >= c.max_position_embeddings,
          "unsupported: 'sliding_window' ", window, " in a model of type ", family.model_type);
  const int64_t first = family.window_is_optional ? first_sliding_layer(config, c) : 0;
  if (window >= c.max_position_embeddings || first >= c.num_hidden_layers) return;
  c.sliding_window = window;
  c.max_window_layers = std::max<int64_t>(first, 0);
}

// Llama 3.x's scaling is a tensor of divisors, a linear one has keys.
RopeScaling rope_scaling(const GgufFile& file, const ModelConfig& c) {
  const std::string key = file.string("general.architecture") + ".rope.scaling.";
  const auto type = file.find_string(key + "type").value_or("none");
  require(type == "none" || type == "linear", "unsupported type '", type, "'");
  const GgufTensor* divisors = file.find_tensor("rope_freqs.weight");
  if (divisors == nullptr) {
    if (type == "none") return {};
    return rope_scaling_from_json({{"rope_type", type}, {"factor", file.number(key + "factor")}},
                                  c.max_position_embeddings);
  }
  require(type == "none", "of type '", type, "' beside rope_freqs.weight");
  require(divisors->format->name == "F32" &&
              divisors->dims == std::vector<uint64_t>{static_cast<uint64_t>(c.head_dim / 2)},
          "rope_freqs.weight must be F32 [", c.head_dim / 2, "]");
  std::vector<float> values(static_cast<size_t>(c.head_dim / 2));
  const auto bytes = divisors->bytes();
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return scaling_of_divisors(values, c.rope_theta);
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

int64_t window_of_layer(const ModelConfig& config, int64_t layer) {
  return layer >= config.max_window_layers ? config.sliding_window : 0;
}

ModelConfig config_from_json(const Json& config) {
  const auto size = [&](const char* key) { return json_get<int64_t>(config, key, "config"); };
  ModelConfig c;
  c.model_type = json_get<std::string>(config, "model_type", "config");
  const Family& family = family_of_model_type(c.model_type);
  refuse_unsupported(config);
  c.hidden_size = size("hidden_size");
  c.intermediate_size = size("intermediate_size");
  c.num_hidden_layers = size("num_hidden_layers");
  c.num_attention_heads = size("num_attention_heads");
  c.num_key_value_heads = is_set(config, "num_key_value_heads") ? size("num_key_value_heads")
                          : family.num_key_value_heads > 0      ? family.num_key_value_heads
                                                                : c.num_attention_heads;
  c.head_dim = is_set(config, "head_dim") ? size("head_dim")
               : family.head_dim > 0      ? family.head_dim
                                          : head_dim_of(c.hidden_size, c.num_attention_heads);
  c.vocab_size = size("vocab_size");
  c.max_position_embeddings = size("max_position_embeddings");
  c.rms_norm_eps = json_get_or<double>(config, "rms_norm_eps", 1e-6, "config");
  read_rope(config, c);
  c.tie_word_embeddings = json_get_or<bool>(config, "tie_word_embeddings", false, "config");
  c.bos_token_id = token_id(config, "bos_token_id");
  c.eos_token_id = token_id(config, "eos_token_id");
  read_biases(config, family, c);
  c.qk_norm = family.qk_norm;
  read_window(config, family, c);
  return checked(c);
}

ModelConfig config_from_gguf(const GgufFile& file) {
  ModelConfig c;
  const Family& family = family_of_gguf(file.string("general.architecture"));
  c.model_type = family.model_type;
  const std::string arch = std::string(family.gguf) + ".";
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
  c.rope_scaling = in_context("'" + arch + "rope.scaling'", [&] { return rope_scaling(file, c); });
  require(file.find_integer(arch + "expert_count").value_or(0) == 0, "unsupported: '", arch,
          "expert_count'");
  const auto window = file.find_integer(arch + "attention.sliding_window").value_or(0);
  require(window == 0 || window >= c.max_position_embeddings, "unsupported: '", arch,
          "attention.sliding_window' ", window, " is smaller than the context length");
  read_biases(file, family, c);
  c.qk_norm = family.qk_norm;
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
  const Family& family = family_of_model_type(c.model_type);
  Json json = {{"architectures", {family.architecture}},
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
               {"rope_scaling", to_json(c.rope_scaling)},
               {"attention_bias", c.o_bias},
               {"mlp_bias", c.mlp_bias},
               {"tie_word_embeddings", c.tie_word_embeddings},
               {"bos_token_id", id(c.bos_token_id)},
               {"eos_token_id", id(c.eos_token_id)},
               {"torch_dtype", dtype}};
  if (family.sliding_window > 0) {  // its absence would mean the default
    json["sliding_window"] = c.sliding_window > 0 ? Json(c.sliding_window) : Json();
  }
  if (family.window_is_optional) {
    json["use_sliding_window"] = c.sliding_window > 0;
    json["max_window_layers"] = c.sliding_window > 0 ? c.max_window_layers : c.num_hidden_layers;
  }
  return json;
}

}  // namespace assay
