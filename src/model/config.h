#pragma once
// What config.json (or the keys of a GGUF file) says about a model, in the words of config.json
// where several families share one; model/family.h has the words of each.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "kernels/elementwise.h"
#include "model/rope.h"

namespace assay {

struct GgufFile;  // io/gguf.h

enum class NormKind { kRms, kLayer };  // layer norms have a bias
enum class PositionKind { kRotary, kLearned, kAlibi };

// Which of the experts of an MLP a token passes through.
struct ExpertConfig {
  int64_t num_experts = 0;          // 0 = a plain MLP
  int64_t num_experts_per_tok = 0;  // those of the largest router probability
  bool norm_topk_prob = false;      // whose probabilities are divided by their sum
  int64_t moe_intermediate_size = 0;
  int64_t shared_expert_intermediate_size = 0;  // of one that every token passes through; 0 = none
  std::vector<int64_t> mlp_only_layers = {};    // with a plain MLP of intermediate_size, ascending

  bool operator==(const ExpertConfig&) const = default;
};

struct ModelConfig {
  std::string model_type = {};  // "llama", "mistral", ... (model/family.h)
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-5;  // of every norm, whatever its kind
  double rope_theta = 10000.0;
  RopeScaling rope_scaling = {};
  bool qkv_bias = false, o_bias = false, mlp_bias = false;  // of these linears of a block
  bool qk_norm = false;        // RMS norms of every head's queries and keys before they turn
  int64_t sliding_window = 0;  // rows that a row sees, itself included; 0 = all before it
  std::vector<int64_t> full_attention_layers = {};  // that see all nevertheless, ascending
  bool tie_word_embeddings = false;
  std::optional<int64_t> bos_token_id = {}, eos_token_id = {};

  NormKind norm = NormKind::kRms;
  bool norms_store_minus_one = false;  // a Hugging Face file holds w, the norm multiplies by 1 + w
  bool output_norms = false;           // what attention and MLP give is normed before it is added
  bool embedding_norm = false;         // as are the embeddings
  double embedding_scale = 1;
  PositionKind positions = PositionKind::kRotary;
  int64_t position_offset = 0;       // rows of the learned table before that of position 0
  int64_t rotary_dim = 0;            // elements of a head that turn; 0 = all
  double local_rope_theta = 0;       // of layers that slide, unscaled; 0 = as everywhere
  double query_pre_attn_scalar = 0;  // scores are divided by its root; 0 = head_dim
  double attn_logit_softcapping = 0, final_logit_softcapping = 0;  // 0 = none
  kernels::Activation hidden_act = kernels::Activation::kSilu;
  bool gated_mlp = true;           // act(gate(x)) * up(x), or act(fc1(x))
  bool parallel_residual = false;  // attention and MLP read the same hidden states
  bool shared_norm = false;        // and the same norm of them
  ExpertConfig experts = {};

  bool operator==(const ModelConfig&) const = default;
};

// The window of a layer, 0 where it sees everything.
int64_t window_of_layer(const ModelConfig& config, int64_t layer);
enum class MlpKind { kPlain, kExperts };
MlpKind mlp_kind(const ModelConfig& config, int64_t layer);
// Elements of a head that turn.
int64_t rotary_width(const ModelConfig& config);
// Positions that can be scored: fewer than the model has where longer texts would change what the
// positions of shorter ones are (longrope).
int64_t num_scored_positions(const ModelConfig& config);

// Error(kBadInput) names the missing, wrong or unsupported field. How weights are packed is not
// read here (model/quantized_folder.h).
ModelConfig config_from_json(const Json& config_json);
ModelConfig config_from_gguf(const GgufFile& file);

// The config.json that transformers loads, with torch_dtype `dtype` ("float32").
Json config_to_json(const ModelConfig& config, const std::string& dtype);

}  // namespace assay
