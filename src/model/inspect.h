#pragma once
// What is in a checkpoint, counted from its decoded weights rather than believed from its header.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/checkpoint.h"
#include "model/weight_difference.h"

namespace assay {

// Counts over one matrix [rows, columns] or vector.
struct WeightCounts {
  int64_t weights = 0;
  int64_t zeros = 0;       // exact, of either sign
  int64_t non_finite = 0;  // NaN or infinite
  // Aligned groups of 4 (8) consecutive columns, and those of them with at most 2 (4) non-zeros. A
  // row's last, shorter group is held to the same bound.
  int64_t groups_of_4 = 0, groups_2_4 = 0;
  int64_t groups_of_8 = 0, groups_4_8 = 0;
};

WeightCounts count_weights(const float* data, int64_t rows, int64_t columns);

// Number of different magnitudes |w|. A matrix that was never quantized has nearly as many as
// weights; one decoded from 4-bit blocks far fewer, and a magnitude threshold cuts through many
// equal ones.
int64_t count_magnitudes(const float* data, int64_t count);

// The tensors of one role over all layers: "self_attn.q_proj", "norm", "embed_tokens", "lm_head".
struct TensorGroup {
  std::string name;
  int64_t num_tensors = 0;
  std::map<std::string, int64_t> weights_of_dtype;  // by stored dtype
  uint64_t stored_bytes = 0;
  WeightCounts counts;
  bool linear = false;                                 // of a block: the unit of compression
  int64_t fewest_magnitudes = 0, most_magnitudes = 0;  // over the tensors of a linear group
  std::vector<std::string> non_finite_tensors;         // by name
  // Of the tensors that were compared with those of another checkpoint, sums as in
  // TensorDifference.
  int64_t num_compared = 0;
  double error_squares = 0, base_squares = 0;
};

// One tensor.
struct TensorFacts {
  std::string name;
  WeightCounts counts;
  double mean = 0, rms = 0;  // of its weights; rms is the root of their mean square
};

struct Inspection {
  std::string path, description, weights_hash;
  std::vector<std::string> warnings;  // of packed weights, Checkpoint::warnings
  ModelConfig config;
  std::vector<TensorGroup> groups;   // in the order of the data flow
  std::vector<TensorFacts> tensors;  // by name
  std::optional<WeightDifference> difference;
  Json tokenizer;  // kind, vocab_size, BOS and EOS; or {"error": why it cannot be read}
  Json provenance;
  std::vector<std::string> findings;  // model/findings.h
};

struct InspectOptions {
  const Checkpoint* against = nullptr;  // what it was made of, for Inspection::difference
  bool magnitudes = true;               // count them too, with a table of 16 bytes a weight
};

// Decodes every tensor once, one (and its like in `against`) at a time on every core. path and
// weights_hash stay empty.
Inspection inspect(const Checkpoint& checkpoint, const InspectOptions& options = {});
// The same with both.
Inspection inspect(const std::filesystem::path& path, const InspectOptions& options = {});

Json inspection_to_json(const Inspection& inspection);
std::string inspection_to_text(const Inspection& inspection);

}  // namespace assay
