#pragma once
// A tiny random model on disk, for tests: what works on it end to end needs no download. The
// same options give the same bytes on every machine.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/config.h"

namespace assay {

struct TinyModelOptions {
  uint64_t seed = 0;
  int64_t hidden_size = 64;
  int64_t intermediate_size = 128;
  int64_t num_hidden_layers = 2;
  int64_t num_attention_heads = 4;
  int64_t num_key_value_heads = 2;
  int64_t max_position_embeddings = 512;
  bool tie_word_embeddings = true;
  std::string model_type = "llama";  // a family of model/family.h
  bool attention_bias = false, mlp_bias = false;
  int64_t sliding_window = 0;
  RopeScaling rope_scaling = {};
};

// Always with the 320 words of tiny_tokenizer_json.
ModelConfig tiny_config(const TinyModelOptions& options = {});

// Byte-level BPE in the layout of SmolLM2's tokenizer.json. Ids 0-2 are the special tokens
// <|endoftext|>, <|im_start|> (BOS, not added by itself) and <|im_end|> (EOS); 3-258 the 256 byte
// symbols in the order of GPT-2's alphabet
// ("!" = 3); 259-319 the results of 61 merges of common English pairs, in order of their rank, down
// to whole words such as "Ġthe" and "Ġthat". Pre-tokenizer: digits one by one, then GPT-2's pattern
// without a prefix space.
Json tiny_tokenizer_json();
Json tiny_tokenizer_config();

// The words by id, and the merges by rank ("Ġ t").
std::vector<std::string> tiny_vocabulary();
std::vector<std::string> tiny_merges();

// Writes config.json, model.safetensors (float32), tokenizer.json and tokenizer_config.json into
// `folder`, which is made. Linears are normal with deviation 1/sqrt(in_features), embedding rows
// 0.3, norms 1 + 0.1 normal: logits differ by a few nats.
void write_tiny_model(const std::filesystem::path& folder, const TinyModelOptions& options = {});

// The same model as a GGUF file of F32 tensors, q and k in the rotary order of such files, the
// tokenizer in its keys.
void write_tiny_gguf(const std::filesystem::path& path, const TinyModelOptions& options = {});

}  // namespace assay
