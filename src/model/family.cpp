#include "model/family.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace assay {
namespace {

constexpr std::array kFamilies{
    // Llama 2 and 3, TinyLlama, SmolLM2, TULU-2, Vicuna
    Family{.model_type = "llama",
           .architecture = "LlamaForCausalLM",
           .gguf = "llama",
           .reads_biases = true,
           .interleaved_gguf = true},
    Family{.model_type = "mistral",
           .architecture = "MistralForCausalLM",
           .gguf = "llama",  // its files say llama too: the same computation
           .num_key_value_heads = 8,
           .sliding_window = 4096,
           .interleaved_gguf = true},
    // Qwen 1.5 to 2.5
    Family{.model_type = "qwen2",
           .architecture = "Qwen2ForCausalLM",
           .gguf = "qwen2",
           .always_qkv_bias = true,
           .num_key_value_heads = 32,
           .sliding_window = 4096,
           .window_is_optional = true},
    Family{.model_type = "qwen3",
           .architecture = "Qwen3ForCausalLM",
           .gguf = "qwen3",
           .reads_biases = true,
           .qk_norm = true,
           .num_key_value_heads = 32,
           .head_dim = 128,
           .sliding_window = 4096,
           .window_is_optional = true},
};

const Family& named(std::string_view name, std::string_view Family::*field) {
  const auto found = std::ranges::find(kFamilies, name, field);
  if (found != kFamilies.end()) return *found;
  std::vector<std::string_view> known;
  for (const Family& family : kFamilies) {
    if (std::ranges::find(known, family.*field) == known.end()) known.push_back(family.*field);
  }
  fail(ErrorKind::kBadInput, "unsupported architecture '", name, "'", suggest(name, known));
}

}  // namespace

std::span<const Family> families() { return kFamilies; }

const Family& family_of_model_type(std::string_view model_type) {
  return named(model_type, &Family::model_type);
}

const Family& family_of_gguf(std::string_view architecture) {
  return named(architecture, &Family::gguf);
}

}  // namespace assay
