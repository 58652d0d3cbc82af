// Gemma 1, 2 and 3 (text): norms that multiply by 1 + w, a scaled embedding, and from 2 on norms
// behind attention and MLP and layers that slide.

#include <cmath>

#include "base/error.h"
#include "io/gguf.h"
#include "model/family.h"

namespace assay {
namespace {

// What Gemma calls post_attention_layernorm stands behind the attention.
constexpr std::array kOutputNormNames{
    FileName{"post_attention_layernorm", {"attention_output_norm", "", ""}},
    FileName{"pre_feedforward_layernorm", {"post_attention_layernorm", "", ""}},
    FileName{"post_feedforward_layernorm", {"mlp_output_norm", "", ""}},
};
constexpr std::array kGemmaKeys{KeyName{"hidden_act", "hidden_activation"}};

const ModelConfig kDefaults{.num_key_value_heads = 0,
                            .head_dim = 256,
                            .max_position_embeddings = 8192,
                            .rms_norm_eps = 1e-6,
                            .tie_word_embeddings = true,
                            .norms_store_minus_one = true,
                            .hidden_act = kernels::Activation::kGeluTanh};

ModelConfig with_output_norms() {
  ModelConfig c = kDefaults;
  c.output_norms = true;
  c.num_key_value_heads = 4;
  c.sliding_window = 4096;
  c.query_pre_attn_scalar = 256;
  return c;
}
ModelConfig gemma2_defaults() {
  ModelConfig c = with_output_norms();
  c.attn_logit_softcapping = 50;
  c.final_logit_softcapping = 30;
  return c;
}
ModelConfig gemma3_defaults() {
  ModelConfig c = with_output_norms();
  c.max_position_embeddings = 131072;
  c.qk_norm = true;
  c.rope_theta = 1e6;
  c.local_rope_theta = 1e4;
  return c;
}

bool is_full_gemma2(int64_t layer) { return layer % 2 == 1; }
bool is_full_gemma3(int64_t layer) { return layer % 6 == 5; }

void read_embedding_scale(const Json& /*config*/, ModelConfig& c) {
  c.embedding_scale = std::sqrt(static_cast<double>(c.hidden_size));
}

// A field that is null is none, one that is absent has the default.
double number_or_none(const Json& config, const char* key, double fallback) {
  if (!config.contains(key)) return fallback;
  if (config[key].is_null()) return 0;
  const auto value = json_get<double>(config, key, "config");
  require(std::isfinite(value) && value > 0, key, " must be positive, got ", value);
  return value;
}

void read_gemma2(const Json& config, ModelConfig& c) {
  read_embedding_scale(config, c);
  require_only(config, "use_bidirectional_attention", false);
  c.query_pre_attn_scalar = number_or_none(config, "query_pre_attn_scalar", 256);
  c.attn_logit_softcapping =
      number_or_none(config, "attn_logit_softcapping", c.attn_logit_softcapping);
  c.final_logit_softcapping =
      number_or_none(config, "final_logit_softcapping", c.final_logit_softcapping);
  if (c.sliding_window > 0)
    c.full_attention_layers = full_layers(config, c.num_hidden_layers, is_full_gemma2);
}

void read_gemma3(const Json& config, ModelConfig& c) {
  read_gemma2(config, c);
  c.local_rope_theta =
      json_get_or<double>(config, "rope_local_base_freq", c.local_rope_theta, "config");
  require_only(config, "sliding_window_pattern", 6);
  require_only(config, "_sliding_window_pattern", 6);
  if (c.sliding_window > 0)
    c.full_attention_layers = full_layers(config, c.num_hidden_layers, is_full_gemma3);
  if (c.sliding_window == 0) c.local_rope_theta = 0;
}

void write_gemma2(const ModelConfig& c, Json& config) {
  const auto or_null = [](double value) { return value > 0 ? Json(value) : Json(); };
  config["query_pre_attn_scalar"] = c.query_pre_attn_scalar;
  config["attn_logit_softcapping"] = or_null(c.attn_logit_softcapping);
  config["final_logit_softcapping"] = or_null(c.final_logit_softcapping);
}

void write_gemma3(const ModelConfig& c, Json& config) {
  write_gemma2(c, config);
  if (c.local_rope_theta > 0) config["rope_local_base_freq"] = c.local_rope_theta;
}

void read_gemma_gguf(const GgufFile& /*file*/, ModelConfig& c) { read_embedding_scale({}, c); }

// Neither the pattern of layers nor (in most files) the local base is in the metadata. Scores are
// divided by the root of the head size, but in the largest model, of so many layers, by that of
// hidden_size / heads.
void read_sliding_gguf(const GgufFile& file, ModelConfig& c, bool (*is_full)(int64_t),
                       int64_t layers_of_largest) {
  read_embedding_scale({}, c);
  const std::string arch = file.string("general.architecture") + ".";
  c.attn_logit_softcapping =
      file.find_number(arch + "attn_logit_softcapping").value_or(c.attn_logit_softcapping);
  c.final_logit_softcapping =
      file.find_number(arch + "final_logit_softcapping").value_or(c.final_logit_softcapping);
  c.full_attention_layers = full_layers(Json::object(), c.num_hidden_layers, is_full);
  const bool is_largest = c.num_hidden_layers == layers_of_largest;
  c.query_pre_attn_scalar =
      static_cast<double>(is_largest ? c.hidden_size / c.num_attention_heads : c.head_dim);
}

void read_gemma2_gguf(const GgufFile& file, ModelConfig& c) {
  read_sliding_gguf(file, c, is_full_gemma2, 46);
}

void read_gemma3_gguf(const GgufFile& file, ModelConfig& c) {
  read_sliding_gguf(file, c, is_full_gemma3, 62);
  c.local_rope_theta = file.find_number("gemma3.rope.local.freq_base").value_or(c.local_rope_theta);
}

}  // namespace

std::vector<Family> gemma_families() {
  const auto output_norms = [](const ModelConfig&) -> std::span<const FileName> {
    return kOutputNormNames;
  };
  return {
      Family{.model_type = "gemma",
             .architecture = "GemmaForCausalLM",
             .gguf = "gemma",
             .keys = kGemmaKeys,
             .defaults = kDefaults,
             .read = read_embedding_scale,
             .read_gguf = read_gemma_gguf},
      Family{.model_type = "gemma2",
             .architecture = "Gemma2ForCausalLM",
             .gguf = "gemma2",
             .names = output_norms,
             .keys = kGemmaKeys,
             .defaults = gemma2_defaults(),
             .window = WindowUse::kAlways,
             .read = read_gemma2,
             .write = write_gemma2,
             .read_gguf = read_gemma2_gguf},
      Family{.model_type = "gemma3_text",
             .architecture = "Gemma3ForCausalLM",
             .gguf = "gemma3",
             .names = output_norms,
             .keys = kGemmaKeys,
             .defaults = gemma3_defaults(),
             .window = WindowUse::kAlways,
             .read = read_gemma3,
             .write = write_gemma3,
             .read_gguf = read_gemma3_gguf},
  };
}

}  // namespace assay
