// Llama and what computes as it does but for biases, head norms, windows or fused tensors.

#include "base/error.h"
#include "model/family.h"

namespace assay {
namespace {

constexpr std::array kPhi3Names{
    FileName{"self_attn.qkv_proj", {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}},
    FileName{"mlp.gate_up_proj", {"mlp.gate_proj", "mlp.up_proj", ""}},
};

// The length that its rotary positions were trained with stands beside rope_scaling.
void read_phi3(const Json& config, ModelConfig& c) {
  if (c.rope_scaling.rope_type != "longrope") return;
  auto& original = c.rope_scaling.original_max_position_embeddings;
  original = json_get_or<int64_t>(config, "original_max_position_embeddings", original, "config");
  require(original > 0, "original_max_position_embeddings must be positive, got ", original);
  c.rope_scaling.factor =
      static_cast<double>(c.max_position_embeddings) / static_cast<double>(original);
}

void write_phi3(const ModelConfig& c, Json& config) {
  if (c.rope_scaling.rope_type == "longrope") {
    config["original_max_position_embeddings"] = c.rope_scaling.original_max_position_embeddings;
  }
}

}  // namespace

std::vector<Family> llama_families() {
  return {
      // Llama 2 and 3, TinyLlama, SmolLM2, TULU-2, Vicuna
      Family{.model_type = "llama",
             .architecture = "LlamaForCausalLM",
             .gguf = "llama",
             .reads_biases = true,
             .interleaved_gguf = true},
      Family{.model_type = "mistral",
             .architecture = "MistralForCausalLM",
             .gguf = "llama",  // its files say llama too: the same computation
             .defaults = {.num_key_value_heads = 8, .sliding_window = 4096},
             .window = WindowUse::kAlways,
             .interleaved_gguf = true},
      // Qwen 1.5 to 2.5
      Family{.model_type = "qwen2",
             .architecture = "Qwen2ForCausalLM",
             .gguf = "qwen2",
             .defaults = {.num_key_value_heads = 32, .qkv_bias = true, .sliding_window = 4096},
             .window = WindowUse::kAsked},
      Family{.model_type = "qwen3",
             .architecture = "Qwen3ForCausalLM",
             .gguf = "qwen3",
             .defaults = {.num_key_value_heads = 32,
                          .head_dim = 128,
                          .qk_norm = true,
                          .sliding_window = 4096},
             .reads_biases = true,
             .window = WindowUse::kAsked},
      Family{.model_type = "phi3",
             .architecture = "Phi3ForCausalLM",
             .gguf = "",
             .names = [](const ModelConfig&) -> std::span<const FileName> { return kPhi3Names; },
             .window = WindowUse::kAlways,
             .turns_in_part = true,
             .read = read_phi3,
             .write = write_phi3},
  };
}

}  // namespace assay
