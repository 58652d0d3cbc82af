#include "model/tiny_model.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/philox.h"
#include "io/gguf_writer.h"
#include "io/safetensors_writer.h"
#include "model/family.h"
#include "model/file_layout.h"
#include "model/stored_tensor.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

size_t num_elements(const ExpectedTensor& tensor) {
  size_t count = 1;
  for (const auto dim : tensor.shape) count *= static_cast<size_t>(dim);
  return count;
}

// Tensor number `stream` draws from a stream of its own.
std::vector<float> random_values(const ExpectedTensor& tensor, uint64_t seed, uint64_t stream) {
  PhiloxStream random(seed, stream);
  const bool is_vector = tensor.shape.size() == 1;  // a norm or a bias
  const double mean = is_vector && !tensor.name.ends_with(".bias") ? 1.0 : 0.0;
  double deviation = 0.1;
  if (!is_vector) {
    const bool is_table =
        tensor.name.find("embed") != std::string::npos || tensor.name == "lm_head.weight";
    deviation = is_table ? 0.3 : 1.0 / std::sqrt(static_cast<double>(tensor.shape[1]));
  }
  std::vector<float> values(num_elements(tensor));
  for (auto& value : values) value = static_cast<float>(mean + deviation * random.normal());
  return values;
}

// As a GGUF file has them.
std::vector<float> converted(std::vector<float> values, const GgufConversion& conversion,
                             const std::vector<int64_t>& shape) {
  for (float& value : values) value += conversion.added;
  if (conversion.interleaved_heads == 0) return values;
  const auto rows = rotary_interleaved(at::from_blob(values.data(), shape, at::kFloat),
                                       conversion.interleaved_heads);
  return {rows.const_data_ptr<float>(), rows.const_data_ptr<float>() + rows.numel()};
}

std::map<std::string, std::string> gguf_names(const ModelConfig& config) {
  std::map<std::string, std::string> names;
  for (const FileTensor& file : gguf_tensors(config)) names[file.parts[0].name] = file.name;
  return names;
}

std::vector<std::pair<std::string, GgufValue>> gguf_values(const ModelConfig& c) {
  const auto size = [](int64_t value) { return GgufValue(static_cast<uint64_t>(value)); };
  std::vector<int64_t> token_types(tiny_vocabulary().size(), 1);
  for (size_t special = 0; special < 3; ++special) token_types[special] = 3;
  const std::string arch(family_of_model_type(c.model_type).gguf);
  return {{"general.architecture", arch},
          {arch + ".embedding_length", size(c.hidden_size)},
          {arch + ".feed_forward_length", size(c.intermediate_size)},
          {arch + ".block_count", size(c.num_hidden_layers)},
          {arch + ".attention.head_count", size(c.num_attention_heads)},
          {arch + ".attention.head_count_kv", size(c.num_key_value_heads)},
          {arch + ".attention.layer_norm_rms_epsilon", static_cast<float>(c.rms_norm_eps)},
          {arch + ".rope.dimension_count", size(c.head_dim)},
          {arch + ".rope.freq_base", static_cast<float>(c.rope_theta)},
          {arch + ".context_length", size(c.max_position_embeddings)},
          {arch + ".vocab_size", size(c.vocab_size)},
          {"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", std::string("smollm")},
          {"tokenizer.ggml.tokens", tiny_vocabulary()},
          {"tokenizer.ggml.token_type", token_types},
          {"tokenizer.ggml.merges", tiny_merges()},
          {"tokenizer.ggml.bos_token_id", uint64_t{1}},
          {"tokenizer.ggml.eos_token_id", uint64_t{2}},
          {"tokenizer.ggml.add_bos_token", false},
          {"tokenizer.ggml.add_space_prefix", false}};
}

std::string as_text(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

}  // namespace

ModelConfig tiny_config(const TinyModelOptions& options) {
  ModelConfig c = family_of_model_type(options.model_type).defaults;
  c.model_type = options.model_type;
  c.hidden_size = options.hidden_size;
  c.intermediate_size = options.intermediate_size;
  c.num_hidden_layers = options.num_hidden_layers;
  c.num_attention_heads = options.num_attention_heads;
  c.num_key_value_heads = options.num_key_value_heads;
  c.head_dim = options.hidden_size / options.num_attention_heads;
  c.vocab_size = static_cast<int64_t>(tiny_vocabulary().size());
  c.max_position_embeddings = options.max_position_embeddings;
  c.rms_norm_eps = 1e-5;
  c.rope_theta = 10000.0;
  c.rope_scaling = options.rope_scaling;
  c.qkv_bias = c.qkv_bias || options.attention_bias;
  c.o_bias = c.o_bias || options.attention_bias;
  c.mlp_bias = c.mlp_bias || options.mlp_bias;
  c.sliding_window = options.sliding_window;
  c.tie_word_embeddings = options.tie_word_embeddings;
  c.bos_token_id = 1;
  c.eos_token_id = 2;
  return c;
}

void write_tiny_model(const std::filesystem::path& folder, const TinyModelOptions& options) {
  const auto config = tiny_config(options);
  const auto tensors = hugging_face_tensors(config);
  std::filesystem::create_directories(folder);
  std::vector<TensorDeclaration> declared;
  declared.reserve(tensors.size());
  for (const auto& tensor : tensors) {
    declared.push_back(
        {tensor.name, dtype_named("F32"), {tensor.shape.begin(), tensor.shape.end()}});
  }
  SafetensorsWriter writer(folder / "model.safetensors", declared);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto values = random_values({tensors[i].name, tensors[i].shape}, options.seed, i);
    writer.write(tensors[i].name, std::as_bytes(std::span(values)));
  }
  writer.commit();
  write_file_atomic(folder / "config.json", config_to_json(config, "float32").dump(2) + "\n");
  write_file_atomic(folder / "tokenizer.json", tiny_tokenizer_json().dump(2) + "\n");
  write_file_atomic(folder / "tokenizer_config.json", tiny_tokenizer_config().dump(2) + "\n");
}

void write_tiny_gguf(const std::filesystem::path& path, const TinyModelOptions& options) {
  const auto config = tiny_config(options);
  const auto names = gguf_names(config);
  const auto tensors = all_tensors(config);
  std::vector<GgufTensorBytes> stored;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, shape] = tensors[i];
    const auto values =
        converted(random_values(tensors[i], options.seed, i), gguf_conversion(name, config), shape);
    stored.push_back({names.at(name),
                      {shape.rbegin(), shape.rend()},
                      block_format_by_name("F32"),
                      as_text(values)});
  }
  if (config.rope_scaling.rope_type == "llama3") {
    const auto divisors =
        divisors_of_scaling(config.head_dim, config.rope_theta, config.rope_scaling);
    stored.push_back(
        {"rope_freqs.weight", {divisors.size()}, block_format_by_name("F32"), as_text(divisors)});
  }
  write_file_atomic(path, gguf_bytes(gguf_values(config), stored));
}

}  // namespace assay
