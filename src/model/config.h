#pragma once
// What config.json (or the keys of a GGUF file) says about a model, in the words of config.json.

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "model/rope.h"

namespace assay {

struct GgufFile;  // io/gguf.h

struct ModelConfig {
  std::string model_type;  // "llama", "mistral", ... (model/family.h)
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-5;
  double rope_theta = 10000.0;
  RopeScaling rope_scaling;
  bool qkv_bias = false, o_bias = false, mlp_bias = false;  // of these linears of a block
  bool qk_norm = false;           // RMS norms of every head's queries and keys before they turn
  int64_t sliding_window = 0;     // rows that a row sees, itself included; 0 = all before it
  int64_t max_window_layers = 0;  // the layers before this one see all
  bool tie_word_embeddings = false;
  std::optional<int64_t> bos_token_id, eos_token_id;

  bool operator==(const ModelConfig&) const = default;
};

// The window of a layer, 0 where it sees everything.
int64_t window_of_layer(const ModelConfig& config, int64_t layer);

// Error(kBadInput) names the missing, wrong or unsupported field. How weights are packed is not read
// here (model/quantized_folder.h).
ModelConfig config_from_json(const Json& config_json);
ModelConfig config_from_gguf(const GgufFile& file);

// The config.json that transformers loads, with torch_dtype `dtype` ("float32").
Json config_to_json(const ModelConfig& config, const std::string& dtype);

}  // namespace assay
