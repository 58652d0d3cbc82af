#pragma once
// What was asked, and of what: the parts of a study that are not in its answers. summary.json and
// each arm's results file hold them in the same JSON (docs/summary-json.md).

#include <cmath>
#include <cstdint>
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
};

Json to_json(const ReferenceDescription& reference);
Json to_json(const ModelDescription& model);
Json to_json(const TokenizerDescription& tokenizer);
Json to_json(const TaskDescription& task);
Json to_json(const VariantDescription& variant);

// The inverse of each. Error(kBadInput) names `where` and the key that is missing or of another
// type.
ReferenceDescription reference_description(const Json& json, std::string_view where);
ModelDescription model_description(const Json& json, std::string_view where);
TokenizerDescription tokenizer_description(const Json& json, std::string_view where);
TaskDescription task_description(const Json& json, std::string_view where);
VariantDescription variant_description(const Json& json, std::string_view where);

}  // namespace assay
