#include "model/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>
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
  if (c.experts.num_experts > 0) positive(c.experts.moe_intermediate_size, "moe_intermediate_size");
  require(c.positions != PositionKind::kRotary || rotary_width(c) % 2 == 0,
          "head_dim must be even, got ", rotary_width(c));
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

struct ActivationName {
  std::string_view name;
  kernels::Activation activation;
};
// Of names for one function the first is written.
constexpr std::array kActivations{
    ActivationName{"silu", kernels::Activation::kSilu},
    ActivationName{"swish", kernels::Activation::kSilu},
    ActivationName{"gelu_pytorch_tanh", kernels::Activation::kGeluTanh},
    ActivationName{"gelu_new", kernels::Activation::kGeluTanh},
    ActivationName{"gelu_fast", kernels::Activation::kGeluTanh},
    ActivationName{"gelu", kernels::Activation::kGelu},
    ActivationName{"relu", kernels::Activation::kRelu},
};

kernels::Activation activation_named(const std::string& name) {
  std::vector<std::string_view> names;
  for (const auto& known : kActivations) {
    if (known.name == name) return known.activation;
    names.push_back(known.name);
  }
  fail(ErrorKind::kBadInput, "unsupported: 'hidden_act': '", name, "'", suggest(name, names));
}

std::string_view name_of(kernels::Activation activation) {
  return std::ranges::find(kActivations, activation, &ActivationName::activation)->name;
}

// The object with the words of model/config.h for the family's own.
Json in_common_words(const Json& config, const Family& family) {
  Json common = config;
  for (const auto& [key, own] : family.keys) common.erase(std::string(key));
  for (const auto& [key, own] : family.keys) {
    const std::string to(key), from(own);
    if (!is_set(common, to.c_str()) && is_set(config, from.c_str())) common[to] = config[from];
  }
  return common;
}

Json in_own_words(const Json& config, const Family& family) {
  Json words = config;
  for (const auto& [key, own] : family.keys) {
    const std::string from(key), to(own);
    if (from == to || !config.contains(from) || words.contains(to)) continue;
    words[to] = config[from];
    words.erase(from);
  }
  return words;
}

// Fields that change what the model computes, and that no code here computes.
void refuse_unsupported(const Json& config) {
  require(!is_set(config, "rope_interleaved") || config["rope_interleaved"] == false,
          "unsupported: 'rope_interleaved'");
}

void read_rotary_share(const Json& rope, ModelConfig& c) {
  const auto share = json_get_or<double>(rope, "partial_rotary_factor", 1.0, "config");
  require(share > 0 && share <= 1, "partial_rotary_factor must be in (0, 1], got ", share);
  const auto width = static_cast<int64_t>(static_cast<double>(c.head_dim) * share);
  if (share < 1) c.rotary_dim = width == c.head_dim ? 0 : width;
}

void read_rope_object(const Json& rope, ModelConfig& c) {
  c.rope_scaling = rope_scaling_from_json(rope, c.max_position_embeddings);
  c.rope_theta = json_get_or<double>(rope, "rope_theta", c.rope_theta, "config");
  read_rotary_share(rope, c);
}

// rope_theta stands at the top (transformers 4) or in rope_parameters (transformers 5), there for
// each kind of layer where they differ.
void read_rope(const Json& config, ModelConfig& c) {
  c.rope_theta = json_get_or<double>(config, "rope_theta", c.rope_theta, "config");
  read_rotary_share(config, c);
  for (const auto* key : {"rope_scaling", "rope_parameters"}) {
    if (!is_set(config, key)) continue;
    in_context(key, [&] {
      const Json& rope = config[key];
      if (!rope.is_object() || !is_set(rope, "full_attention")) return read_rope_object(rope, c);
      require(c.local_rope_theta > 0, "unsupported: rotary positions by kind of layer");
      read_rope_object(rope["full_attention"], c);
      if (!is_set(rope, "sliding_attention")) return;
      ModelConfig local;
      read_rope_object(rope["sliding_attention"], local);
      require(local.rope_scaling.rope_type == "default", "unsupported: scaling of sliding layers");
      c.local_rope_theta = local.rope_theta;
    });
  }
}

void read_biases(const Json& config, const Family& family, ModelConfig& c) {
  if (family.read != nullptr && !family.reads_biases) return;  // it knows of its own
  const auto flag = [&](const char* key) {
    const bool value = json_get_or<bool>(config, key, false, "config");
    require(!value || family.reads_biases, "unsupported: '", key, "' in a model of type ",
            family.model_type);
    return value;
  };
  const bool of_attention = flag("attention_bias");
  c.qkv_bias = c.qkv_bias || of_attention;
  c.o_bias = of_attention;
  c.mlp_bias = flag("mlp_bias");
}

// A GGUF file has no key for them.
void read_biases(const GgufFile& file, const Family& family, ModelConfig& c) {
  const bool always = family.defaults.qkv_bias;
  c.qkv_bias = always || file.find_tensor("blk.0.attn_q.bias") != nullptr;
  c.o_bias = file.find_tensor("blk.0.attn_output.bias") != nullptr;
  c.mlp_bias = file.find_tensor("blk.0.ffn_up.bias") != nullptr;
  const bool fits = family.reads_biases ? c.qkv_bias == c.o_bias
                                        : c.qkv_bias == always && !c.o_bias && !c.mlp_bias;
  require(fits, "unsupported: these linears with a bias and not others in a model of type ",
          family.model_type, ": ", c.qkv_bias ? "q, k, v" : "", c.o_bias ? " o" : "",
          c.mlp_bias ? " gate, up, down" : "");
}

// A window that no position leaves is none, unless layers that slide turn by another base.
void read_window(const Json& config, const Family& family, ModelConfig& c) {
  const int64_t fallback = std::exchange(c.sliding_window, 0);
  if (family.window == WindowUse::kAsked &&
      !json_get_or<bool>(config, "use_sliding_window", false, "config")) {
    return;
  }
  const bool is_absent = !config.contains("sliding_window");
  if (is_absent ? fallback == 0 : config["sliding_window"].is_null()) return;
  const auto window = is_absent ? fallback : json_get<int64_t>(config, "sliding_window", "config");
  require(window > 0, "sliding_window must be positive, got ", window);
  const bool matters = window < c.max_position_embeddings || c.local_rope_theta > 0;
  require(family.window != WindowUse::kNever || !matters, "unsupported: 'sliding_window' ", window,
          " in a model of type ", family.model_type);
  if (!matters) return;
  c.sliding_window = window;
  if (family.window != WindowUse::kAsked) return;
  Json pattern = config;
  if (!is_set(config, "layer_types")) {
    const auto first = json_get_or<int64_t>(config, "max_window_layers", 28, "config");
    auto& types = pattern["layer_types"] = Json::array();
    for (int64_t i = 0; i < c.num_hidden_layers; ++i)
      types.push_back(i < first ? "full_attention" : "sliding_attention");
  }
  c.full_attention_layers = full_layers(pattern, c.num_hidden_layers, nullptr);
  if (std::ssize(c.full_attention_layers) < c.num_hidden_layers) return;
  c.sliding_window = 0;
  c.full_attention_layers.clear();
}

void read_window(const GgufFile& file, const Family& family, ModelConfig& c) {
  const std::string key = std::string(family.gguf) + ".attention.sliding_window";
  const int64_t fallback = std::exchange(c.sliding_window, 0);
  const auto window = file.find_integer(key);
  if (family.read_gguf != nullptr) {
    if (fallback > 0) c.sliding_window = window.value_or(fallback);
    return;
  }
  require(window.value_or(0) == 0 || *window >= c.max_position_embeddings, "unsupported: '", key,
          "' ", window.value_or(0), " is smaller than the context length");
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

int64_t window_of_layer(const ModelConfig& c, int64_t layer) {
  return std::ranges::binary_search(c.full_attention_layers, layer) ? 0 : c.sliding_window;
}

MlpKind mlp_kind(const ModelConfig& c, int64_t layer) {
  const bool has_experts =
      c.experts.num_experts > 0 && !std::ranges::binary_search(c.experts.mlp_only_layers, layer);
  return has_experts ? MlpKind::kExperts : MlpKind::kPlain;
}

int64_t rotary_width(const ModelConfig& c) { return c.rotary_dim > 0 ? c.rotary_dim : c.head_dim; }

int64_t num_scored_positions(const ModelConfig& c) {
  if (c.rope_scaling.rope_type != "longrope") return c.max_position_embeddings;
  return std::min(c.max_position_embeddings, c.rope_scaling.original_max_position_embeddings);
}

ModelConfig config_from_json(const Json& given) {
  const auto model_type = json_get<std::string>(given, "model_type", "config");
  const Family& family = family_of_model_type(model_type);
  const Json config = in_common_words(given, family);
  refuse_unsupported(config);
  ModelConfig c = family.defaults;
  c.model_type = model_type;
  const auto size = [&](const char* key, int64_t fallback) {
    if (fallback > 0 && !is_set(config, key)) return fallback;
    return json_get<int64_t>(config, key, "config");
  };
  c.hidden_size = size("hidden_size", 0);
  c.num_hidden_layers = size("num_hidden_layers", 0);
  c.num_attention_heads = size("num_attention_heads", 0);
  c.num_key_value_heads =
      size("num_key_value_heads",
           c.num_key_value_heads > 0 ? c.num_key_value_heads : c.num_attention_heads);
  c.head_dim = is_set(config, "head_dim") ? size("head_dim", 0)
               : c.head_dim > 0           ? c.head_dim
                                          : head_dim_of(c.hidden_size, c.num_attention_heads);
  c.vocab_size = size("vocab_size", 0);
  c.max_position_embeddings = size("max_position_embeddings", c.max_position_embeddings);
  if (is_set(config, "intermediate_size")) c.intermediate_size = size("intermediate_size", 0);
  const double eps = family.defaults.norm == NormKind::kLayer ? 1e-5 : 1e-6;
  c.rms_norm_eps = json_get_or<double>(config, "rms_norm_eps", eps, "config");
  if (is_set(config, "hidden_act")) {
    c.hidden_act = activation_named(json_get<std::string>(config, "hidden_act", "config"));
  }
  if (c.positions == PositionKind::kRotary) read_rope(config, c);
  c.tie_word_embeddings =
      json_get_or<bool>(config, "tie_word_embeddings", c.tie_word_embeddings, "config");
  c.bos_token_id = token_id(config, "bos_token_id");
  c.eos_token_id = token_id(config, "eos_token_id");
  read_biases(config, family, c);
  read_window(config, family, c);
  require(family.turns_in_part || c.rotary_dim == 0,
          "unsupported: 'partial_rotary_factor' in a model of type ", model_type);
  if (family.read != nullptr) family.read(config, c);
  if (c.intermediate_size == 0) size("intermediate_size", 0);  // says that it is missing
  return checked(c);
}

ModelConfig config_from_gguf(const GgufFile& file) {
  const Family& family = family_of_gguf(file.string("general.architecture"));
  ModelConfig c = family.defaults;
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
  c.rope_theta = file.find_number(arch + "rope.freq_base").value_or(c.rope_theta);
  c.rope_scaling = in_context("'" + arch + "rope.scaling'", [&] { return rope_scaling(file, c); });
  require(file.find_integer(arch + "expert_count").value_or(0) == 0, "unsupported: '", arch,
          "expert_count'");
  read_window(file, family, c);
  read_biases(file, family, c);
  if (family.read_gguf != nullptr) family.read_gguf(file, c);
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
               {"vocab_size", c.vocab_size},
               {"max_position_embeddings", c.max_position_embeddings},
               {"hidden_act", name_of(c.hidden_act)},
               {"rms_norm_eps", c.rms_norm_eps},
               {"tie_word_embeddings", c.tie_word_embeddings},
               {"bos_token_id", id(c.bos_token_id)},
               {"eos_token_id", id(c.eos_token_id)},
               {"torch_dtype", dtype}};
  if (c.norm == NormKind::kRms || c.num_key_value_heads != c.num_attention_heads)
    json["num_key_value_heads"] = c.num_key_value_heads;
  if (c.norm == NormKind::kRms) json["head_dim"] = c.head_dim;
  if (c.positions == PositionKind::kRotary) {
    json["rope_theta"] = c.rope_theta;
    json["rope_scaling"] = to_json(c.rope_scaling);
  }
  if (c.rotary_dim > 0) {
    json["partial_rotary_factor"] =
        static_cast<double>(c.rotary_dim) / static_cast<double>(c.head_dim);
  }
  if (family.reads_biases || family.read == nullptr) {
    json["attention_bias"] = c.o_bias;
    json["mlp_bias"] = c.mlp_bias;
  }
  if (family.window != WindowUse::kNever) {  // its absence would mean the default
    json["sliding_window"] = c.sliding_window > 0 ? Json(c.sliding_window) : Json();
  }
  if (family.window == WindowUse::kAsked) json["use_sliding_window"] = c.sliding_window > 0;
  if (!c.full_attention_layers.empty()) {
    auto& types = json["layer_types"] = Json::array();
    for (int64_t i = 0; i < c.num_hidden_layers; ++i)
      types.push_back(window_of_layer(c, i) > 0 ? "sliding_attention" : "full_attention");
  }
  if (family.window == WindowUse::kAsked && c.sliding_window > 0 &&
      c.full_attention_layers.empty()) {
    json["max_window_layers"] = 0;
  }
  if (family.write != nullptr) family.write(c, json);
  return in_own_words(json, family);
}

}  // namespace assay
