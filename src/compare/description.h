#pragma once
// What was asked, and of what: the parts of a study that are not in its answers. summary.json and
// each arm's results file hold them in the same JSON (docs/summary-json.md).

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace assay {

struct ReferenceDescription {
  std::string text;  // "dequantized Q4_1, not the published model"
  bool quantized = false;
};

struct ModelDescription {
  std::string name;
  std::string weights_hash;
  std::string architecture;
  int64_t parameters = 0;
};

struct TokenizerDescription {
  std::string name;
  int64_t vocab_size = 0;
  std::string hash;
};

struct TaskDescription {
  std::string name;
  std::string description;
  std::string source;
  int64_t tokens = 0;  // asked of each variant
  std::string data_hash;
  std::vector<std::string> warnings;
};

struct LayerDescription {
  std::string name;
  double bits = NAN;
  double sparsity = NAN;
  double error = NAN;  // ||W - W'||_F / ||W||_F of its weight
};

// What was counted in the decoded tensors of one role, of all layers.
struct RoleInspection {
  std::string role;  // "self_attn.q_proj", "norm", "embed_tokens"
  int64_t num_tensors = 0;
  int64_t weights = 0;
  std::string stored;           // types: "BF16", "Q4_1+Q6_K"
  double bits = NAN;            // stored, per weight, scales included
  double zeros = NAN;           // share of exact zeros
  double groups_2_4 = NAN;      // share of aligned groups of 4 inputs with at most 2 non-zeros
  double relative_error = NAN;  // ||W - base||_F / ||base||_F of those that both have
};

struct TensorError {
  std::string tensor;
  double relative_error = NAN;
  double max_error = NAN;  // largest |w - base|
};

// What was counted in the file of an arm (model/inspect.h), in short.
struct FileInspection {
  std::string format;  // "folder: float32"
  int64_t stored_bytes = 0;
  RoleInspection linears;  // of the blocks, all roles together
  std::vector<RoleInspection> roles;
  std::vector<TensorError> worst;         // of the arm against the base; largest first
  std::vector<std::string> not_compared;  // not in both, or of another shape
  std::vector<std::string> warnings;      // of packed weights
  std::vector<std::string> findings;      // what contradicts itself
};

struct VariantDescription {
  std::string name;  // in the order of StudyAnswers::variants
  std::string method;
  Json settings = Json::object();
  double bits = NAN;
  double sparsity = NAN;
  int64_t size_bytes = 0;
  std::string weights_hash;
  std::vector<LayerDescription> layers;
  std::vector<std::string> notes;  // what a reader must know: fallbacks, how linears compute
  std::optional<FileInspection> inspection;
};

Json to_json(const ReferenceDescription& reference);
Json to_json(const ModelDescription& model);
Json to_json(const TokenizerDescription& tokenizer);
Json to_json(const TaskDescription& task);
Json to_json(const FileInspection& inspection);
Json to_json(const VariantDescription& variant);

// The inverse of each. Error(kBadInput) names `where` and the key that is missing or of another
// type. A variant of a file that was written before there were inspections has none.
ReferenceDescription reference_description(const Json& json, std::string_view where);
ModelDescription model_description(const Json& json, std::string_view where);
TokenizerDescription tokenizer_description(const Json& json, std::string_view where);
TaskDescription task_description(const Json& json, std::string_view where);
FileInspection file_inspection(const Json& json, std::string_view where);
VariantDescription variant_description(const Json& json, std::string_view where);

}  // namespace assay
