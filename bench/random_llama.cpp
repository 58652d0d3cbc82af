// A random checkpoint of any Llama shape, and calibration ids for it: what a compression of that
// size takes can be measured without a download (compress_memory.py). The tokenizer is that of
// model/tiny_model.h, whose 320 words any vocabulary may exceed.

#include <c10/util/BFloat16.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/philox.h"
#include "base/thread_pool.h"
#include "io/safetensors_writer.h"
#include "model/tensor_names.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

struct Wanted {
  std::filesystem::path folder;
  ModelConfig config = tiny_config();
  int64_t sequences = 16, length = 2048;
};

// Deviation 1 / sqrt(in_features) keeps hidden states in range; rows draw from streams of their
// own.
std::vector<c10::BFloat16> random_values(const std::vector<int64_t>& shape, uint64_t seed) {
  const bool is_norm = shape.size() == 1;
  const int64_t rows = is_norm ? 1 : shape[0], cols = shape.back();
  const double mean = is_norm ? 1 : 0;
  const double deviation = is_norm ? 0.1 : 1 / std::sqrt(static_cast<double>(cols));
  std::vector<c10::BFloat16> values(static_cast<size_t>(rows * cols));
  parallel_for(rows, [&](int64_t row) {
    PhiloxStream random(seed, static_cast<uint64_t>(row));
    for (int64_t i = row * cols; i < (row + 1) * cols; ++i) {
      values[static_cast<size_t>(i)] = static_cast<float>(mean + deviation * random.normal());
    }
  });
  return values;
}

void write_weights(const Wanted& wanted) {
  const auto tensors = all_tensors(wanted.config);
  std::vector<TensorDeclaration> declared;
  declared.reserve(tensors.size());
  for (const auto& [name, shape] : tensors)
    declared.push_back({name, dtype_named("BF16"), {shape.begin(), shape.end()}});
  SafetensorsWriter writer(wanted.folder / "model.safetensors", declared);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto values = random_values(tensors[i].shape, i);
    writer.write(tensors[i].name, std::as_bytes(std::span(values)));
  }
  writer.commit();
}

void write_ids(const Wanted& wanted) {
  std::string lines;
  for (int64_t sequence = 0; sequence < wanted.sequences; ++sequence) {
    PhiloxStream random(1, static_cast<uint64_t>(sequence));
    lines += "[";
    for (int64_t i = 0; i < wanted.length; ++i) {
      const uint32_t id = random.below(static_cast<uint32_t>(tiny_vocabulary().size()));
      lines += (i > 0 ? "," : "") + std::to_string(id);
    }
    lines += "]\n";
  }
  write_file_atomic(wanted.folder / "ids.jsonl", lines);
}

void write_checkpoint(Wanted wanted) {
  ModelConfig& config = wanted.config;
  require(config.hidden_size % config.num_attention_heads == 0, "random_llama: hidden size ",
          config.hidden_size, " is not ", config.num_attention_heads, " whole heads");
  config.head_dim = config.hidden_size / config.num_attention_heads;
  config.tie_word_embeddings = false;
  config.max_position_embeddings = wanted.length;
  std::filesystem::create_directories(wanted.folder);
  write_weights(wanted);
  write_ids(wanted);
  const auto write = [&](const char* name, const Json& json) {
    write_file_atomic(wanted.folder / name, json.dump(2) + "\n");
  };
  write("config.json", config_to_json(config, "bfloat16"));
  write("tokenizer.json", tiny_tokenizer_json());
  write("tokenizer_config.json", tiny_tokenizer_config());
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  assay::Wanted wanted;
  CLI::App program("a random Llama checkpoint in bfloat16, with ids.jsonl for calibration");
  program.add_option("folder", wanted.folder, "the new checkpoint")->required();
  // Llama-2-7B's shape but for its 32 layers.
  wanted.config.hidden_size = 4096;
  wanted.config.intermediate_size = 11008;
  wanted.config.num_hidden_layers = 1;
  wanted.config.num_attention_heads = wanted.config.num_key_value_heads = 32;
  wanted.config.vocab_size = 32000;
  const auto add = [&](const char* flag, int64_t& value) {
    program.add_option(flag, value)->capture_default_str()->check(CLI::PositiveNumber);
  };
  add("--hidden_size", wanted.config.hidden_size);
  add("--intermediate_size", wanted.config.intermediate_size);
  add("--layers", wanted.config.num_hidden_layers);
  add("--heads", wanted.config.num_attention_heads);
  add("--kv_heads", wanted.config.num_key_value_heads);
  add("--vocab_size", wanted.config.vocab_size);
  add("--sequences", wanted.sequences);
  add("--length", wanted.length);
  CLI11_PARSE(program, argc, argv);
  try {
    assay::write_checkpoint(wanted);
  } catch (const assay::Error& e) {
    std::cerr << "random_llama: " << e.what() << '\n';
    return 2;
  }
  return 0;
}
