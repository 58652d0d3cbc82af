#pragma once
// The model types that are computed, as data: what each does beside the Llama block, the defaults
// of its config.json where they differ, and what its GGUF files call it. A family is a row here;
// code is only for what no family did before.

#include <cstdint>
#include <span>
#include <string_view>

namespace assay {

struct Family {
  std::string_view model_type;      // of config.json
  std::string_view architecture;    // the class of transformers
  std::string_view gguf;            // general.architecture
  bool always_qkv_bias = false;     // whatever attention_bias says
  bool reads_biases = false;        // attention_bias, mlp_bias
  bool qk_norm = false;             // RMS norms of every head's queries and keys before they turn
  int64_t num_key_value_heads = 0;  // where config.json has none; 0 = one a head
  int64_t head_dim = 0;             // the same; 0 = hidden_size / num_attention_heads
  int64_t sliding_window = 0;       // the same; 0 = none
  bool window_is_optional = false;  // use_sliding_window, max_window_layers
  bool interleaved_gguf = false;    // GGUF files hold q and k rows in interleaved rotary order
};

std::span<const Family> families();

// Error(kBadInput) names the nearest known type, or lists all.
const Family& family_of_model_type(std::string_view model_type);
const Family& family_of_gguf(std::string_view architecture);

}  // namespace assay
