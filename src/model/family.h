#pragma once
// The model types that are computed, as data: what each calls the fields of its config.json and the
// tensors of its files, its defaults, and what it does beside the Llama block (model/config.h). A
// family is a row, in the file of its kin (model/family_*.cpp); code is only for what no family did
// before.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "model/config.h"

namespace assay {

// How a tensor of a file holds what the model computes with apart.
enum class PartLayout {
  kRows,    // part after part; a single part as it is
  kGroups,  // q, k, v: for every key head its query heads, then itself, then its value head
  kColumns  // part after part in a transposed matrix [in_features, out_features]
};

// A tensor of a block, or the '#'-th expert's: its name in the file and its parts by the names that
// the model knows them by (model/tensor_names.h), both without ".weight" or ".bias".
struct FileName {
  std::string_view name;
  std::array<std::string_view, 3> parts;  // empty ones are none
  PartLayout layout = PartLayout::kRows;
};

// A field of config.json by the word of model/config.h and by the family's own. Of several words
// for one field the first is written, and the first that is there is read.
struct KeyName {
  std::string_view key, own;
};

// When a family heeds sliding_window.
enum class WindowUse {
  kNever,   // a window that matters is refused
  kAlways,  // where there is one
  kAsked    // where use_sliding_window says so, in the layers from max_window_layers on
};

// The tensors that are no block's.
struct OuterNames {
  std::string_view trunk = "model.";  // in front of all but the head
  bool trunk_may_be_absent = false;   // as in old files
  std::string_view layers = "layers.", embed_tokens = "embed_tokens", norm = "norm",
                   lm_head = "lm_head", position_embeddings = "", embedding_norm = "";
};

struct Family {
  std::string_view model_type;    // of config.json
  std::string_view architecture;  // the class of transformers
  std::string_view gguf;          // general.architecture; empty: such files are not read
  OuterNames outer = {};
  // Names of block tensors that differ from the model's own (which are Llama's). A name whose parts
  // the model does not have is passed over.
  std::span<const FileName> (*names)(const ModelConfig&) = nullptr;
  std::span<const KeyName> keys = {};
  ModelConfig defaults = {};  // of fields that a config.json may leave out; 0 = it may not
  bool reads_biases = false;  // attention_bias, mlp_bias
  WindowUse window = WindowUse::kNever;
  bool turns_in_part = false;     // reads partial_rotary_factor
  bool interleaved_gguf = false;  // GGUF files hold q and k rows in interleaved rotary order
  // What is this family's alone: from config.json with the keys of model/config.h, into it, and
  // from the keys of a GGUF file.
  void (*read)(const Json& config, ModelConfig& model) = nullptr;
  void (*write)(const ModelConfig& model, Json& config) = nullptr;
  void (*read_gguf)(const GgufFile& file, ModelConfig& model) = nullptr;
  // Endings of tensors that hold nothing that is not computed: tables and masks of old files.
  std::span<const std::string_view> ignored = {};
};

const std::vector<Family>& families();

// Error(kBadInput) names the nearest known type, or lists all.
const Family& family_of_model_type(std::string_view model_type);
const Family& family_of_gguf(std::string_view architecture);

// The rows, by kin.
std::vector<Family> llama_families();   // and Mistral, Qwen 2 and 3, Phi-3: model/family_llama.cpp
std::vector<Family> gemma_families();   // 1, 2, 3: model/family_gemma.cpp
std::vector<Family> gpt_families();     // GPT-2, OPT, BLOOM, GPT-NeoX, Falcon: model/family_gpt.cpp
std::vector<Family> expert_families();  // Mixtral, Qwen MoE: model/family_experts.cpp

// For the rows: Error(kBadInput) where `config` has another value at `key` than the one that is
// computed.
void require_only(const Json& config, const char* key, const Json& supported);
// Layers that see everything: those that "layer_types" calls so, or, without it, those of
// `is_full`.
std::vector<int64_t> full_layers(const Json& config, int64_t num_layers, bool (*is_full)(int64_t));

}  // namespace assay
