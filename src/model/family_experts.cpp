// Mixtures of experts: a router sends each token through the MLPs of a few experts.

#include <algorithm>

#include "base/error.h"
#include "model/family.h"

namespace assay {
namespace {

constexpr std::array kMixtralKeys{KeyName{"num_experts", "num_local_experts"}};
constexpr std::array kMixtralNames{
    FileName{"block_sparse_moe.gate", {"mlp.gate", "", ""}},
    FileName{"block_sparse_moe.experts.#.w1", {"mlp.experts.#.gate_proj", "", ""}},
    FileName{"block_sparse_moe.experts.#.w2", {"mlp.experts.#.down_proj", "", ""}},
    FileName{"block_sparse_moe.experts.#.w3", {"mlp.experts.#.up_proj", "", ""}},
};

void read_experts(const Json& config, ModelConfig& c) {
  const auto size = [&](const char* key, int64_t fallback) {
    return json_get_or<int64_t>(config, key, fallback, "config");
  };
  ExpertConfig& e = c.experts;
  e.num_experts = size("num_experts", e.num_experts);
  e.num_experts_per_tok = size("num_experts_per_tok", e.num_experts_per_tok);
  require(e.num_experts > 0 && e.num_experts_per_tok > 0 &&
              e.num_experts_per_tok <= e.num_experts && e.num_experts <= 4096,
          "num_experts_per_tok must be in [1, num_experts], got ", e.num_experts_per_tok, " of ",
          e.num_experts);
}

void read_mixtral(const Json& config, ModelConfig& c) {
  read_experts(config, c);
  c.experts.norm_topk_prob = true;
  c.experts.moe_intermediate_size = c.intermediate_size;
}

// A layer has experts when it is not named as without and its number fits the step.
void read_qwen_moe(const Json& config, ModelConfig& c) {
  read_experts(config, c);
  ExpertConfig& e = c.experts;
  e.norm_topk_prob = json_get_or<bool>(config, "norm_topk_prob", false, "config");
  e.moe_intermediate_size = json_get<int64_t>(config, "moe_intermediate_size", "config");
  const auto step = json_get_or<int64_t>(config, "decoder_sparse_step", 1, "config");
  require(step > 0, "decoder_sparse_step must be positive, got ", step);
  const auto plain = json_get_or<std::vector<int64_t>>(config, "mlp_only_layers", {}, "config");
  for (int64_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    if ((layer + 1) % step != 0 || std::ranges::find(plain, layer) != plain.end())
      e.mlp_only_layers.push_back(layer);
  }
}

void read_qwen2_moe(const Json& config, ModelConfig& c) {
  read_qwen_moe(config, c);
  c.experts.shared_expert_intermediate_size =
      json_get<int64_t>(config, "shared_expert_intermediate_size", "config");
  c.qkv_bias = json_get_or<bool>(config, "qkv_bias", true, "config");
}

void write_experts(const ModelConfig& c, Json& config) {
  config["num_experts"] = c.experts.num_experts;
  config["num_experts_per_tok"] = c.experts.num_experts_per_tok;
}

void write_qwen_moe(const ModelConfig& c, Json& config) {
  write_experts(c, config);
  config["norm_topk_prob"] = c.experts.norm_topk_prob;
  config["moe_intermediate_size"] = c.experts.moe_intermediate_size;
  config["decoder_sparse_step"] = 1;
  config["mlp_only_layers"] = c.experts.mlp_only_layers;
}

void write_qwen2_moe(const ModelConfig& c, Json& config) {
  write_qwen_moe(c, config);
  config["shared_expert_intermediate_size"] = c.experts.shared_expert_intermediate_size;
  config["qkv_bias"] = c.qkv_bias;
}

}  // namespace

std::vector<Family> expert_families() {
  return {
      Family{.model_type = "mixtral",
             .architecture = "MixtralForCausalLM",
             .gguf = "",
             .names = [](const ModelConfig&) -> std::span<const FileName> { return kMixtralNames; },
             .keys = kMixtralKeys,
             .defaults = {.num_key_value_heads = 8,
                          .rope_theta = 1e6,
                          .experts = {.num_experts = 8, .num_experts_per_tok = 2}},
             .window = WindowUse::kAlways,
             .read = read_mixtral,
             .write = write_experts},
      // Qwen 1.5 and 2
      Family{.model_type = "qwen2_moe",
             .architecture = "Qwen2MoeForCausalLM",
             .gguf = "",
             .defaults = {.num_key_value_heads = 16,
                          .qkv_bias = true,
                          .sliding_window = 4096,
                          .experts = {.num_experts = 60, .num_experts_per_tok = 4}},
             .window = WindowUse::kAsked,
             .read = read_qwen2_moe,
             .write = write_qwen2_moe},
      Family{.model_type = "qwen3_moe",
             .architecture = "Qwen3MoeForCausalLM",
             .gguf = "",
             .defaults = {.num_key_value_heads = 4,
                          .qk_norm = true,
                          .sliding_window = 4096,
                          .experts = {.num_experts = 128, .num_experts_per_tok = 8}},
             .reads_biases = true,
             .window = WindowUse::kAsked,
             .read = read_qwen_moe,
             .write = write_qwen_moe},
  };
}

}  // namespace assay
