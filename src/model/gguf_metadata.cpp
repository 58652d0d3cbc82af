#include "model/gguf_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "model/family.h"

namespace assay {
namespace {

// Families whose tensors go into a GGUF file as they are, but for the rotary order of rows; of
// others a file would load and compute something else.
constexpr std::array<std::string_view, 7> kChecked{"llama", "mistral", "qwen2",      "qwen3",
                                                   "gemma", "gemma2",  "gemma3_text"};

void add_rope_scaling(const std::string& arch, const ModelConfig& c, GgufMetadata& metadata) {
  const RopeScaling& scaling = c.rope_scaling;
  if (scaling.rope_type == "default") return;
  if (scaling.rope_type == "linear") {
    metadata.values.emplace_back(arch + "rope.scaling.type", std::string("linear"));
    metadata.values.emplace_back(arch + "rope.scaling.factor", static_cast<float>(scaling.factor));
    return;
  }
  require(scaling.rope_type == "llama3", "rotary scaling '", scaling.rope_type,
          "' is not written to GGUF files; linear and llama3 are");
  metadata.rope_divisors = divisors_of_scaling(c.head_dim, c.rope_theta, scaling);
}

}  // namespace

GgufMetadata metadata_of(const ModelConfig& c) {
  require(std::ranges::find(kChecked, c.model_type) != kChecked.end(), "models of type ",
          c.model_type, " are not written to GGUF files yet");
  const std::string architecture(family_of_model_type(c.model_type).gguf),
      arch = architecture + ".";
  const auto size = [](int64_t value) { return GgufValue(static_cast<uint64_t>(value)); };
  GgufMetadata metadata;
  metadata.values = {
      {"general.architecture", architecture},
      {"general.type", std::string("model")},
      {arch + "block_count", size(c.num_hidden_layers)},
      {arch + "context_length", size(c.max_position_embeddings)},
      {arch + "embedding_length", size(c.hidden_size)},
      {arch + "feed_forward_length", size(c.intermediate_size)},
      {arch + "attention.head_count", size(c.num_attention_heads)},
      {arch + "attention.head_count_kv", size(c.num_key_value_heads)},
      {arch + "attention.key_length", size(c.head_dim)},
      {arch + "attention.value_length", size(c.head_dim)},
      {arch + "attention.layer_norm_rms_epsilon", static_cast<float>(c.rms_norm_eps)},
      {arch + "rope.dimension_count", size(c.head_dim)},
      {arch + "rope.freq_base", static_cast<float>(c.rope_theta)},
      {arch + "vocab_size", size(c.vocab_size)}};
  add_rope_scaling(arch, c, metadata);
  const auto add_cap = [&](const char* key, double cap) {
    if (cap > 0) metadata.values.emplace_back(arch + key, static_cast<float>(cap));
  };
  add_cap("attn_logit_softcapping", c.attn_logit_softcapping);
  add_cap("final_logit_softcapping", c.final_logit_softcapping);
  if (c.output_norms) {  // Gemma 2 and 3, whose readers know which layers slide
    metadata.values.emplace_back(arch + "attention.sliding_window", size(c.sliding_window));
  } else if (c.sliding_window > 0) {
    metadata.notes.push_back(fmt::format(
        "the sliding window of {} rows: texts beyond it are computed otherwise", c.sliding_window));
  }
  return metadata;
}

std::string size_label(int64_t num_weights) {
  constexpr std::array<std::pair<double, char>, 4> kUnits{
      {{1e12, 'T'}, {1e9, 'B'}, {1e6, 'M'}, {1e3, 'K'}}};
  const auto count = static_cast<double>(num_weights);
  const auto unit = std::ranges::find_if(kUnits, [&](const auto& u) { return count > u.first; });
  const auto [scale, letter] = unit == kUnits.end() ? kUnits.back() : *unit;
  const double scaled = count / scale;
  const int digits = std::round(scaled) >= 10 ? 0 : std::round(scaled) >= 1 ? 1 : 2;
  return fmt::format("{:.{}f}{}", scaled, digits, letter);
}

}  // namespace assay
