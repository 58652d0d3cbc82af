#include "compare/description.h"

namespace assay {
namespace {

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

double number(const Json& object, const std::string& key, std::string_view where) {
  const auto found = object.find(key);
  return found != object.end() && found->is_null() ? NAN : json_get<double>(object, key, where);
}

std::string text(const Json& object, const std::string& key, std::string_view where) {
  return json_get<std::string>(object, key, where);
}

Json to_json(const LayerDescription& layer) {
  return {{"name", layer.name},
          {"bits", number(layer.bits)},
          {"sparsity", number(layer.sparsity)},
          {"error", number(layer.error)}};
}

LayerDescription layer_description(const Json& json, std::string_view where) {
  return {.name = text(json, "name", where),
          .bits = number(json, "bits", where),
          .sparsity = number(json, "sparsity", where),
          .error = number(json, "error", where)};
}

}  // namespace

Json to_json(const ReferenceDescription& reference) {
  return {{"text", reference.text}, {"quantized", reference.quantized}};
}

Json to_json(const ModelDescription& model) {
  return {{"name", model.name},
          {"weights_hash", model.weights_hash},
          {"architecture", model.architecture},
          {"parameters", model.parameters}};
}

Json to_json(const TokenizerDescription& tokenizer) {
  return {{"name", tokenizer.name}, {"vocab_size", tokenizer.vocab_size}, {"hash", tokenizer.hash}};
}

Json to_json(const TaskDescription& task) {
  return {{"name", task.name},     {"description", task.description}, {"source", task.source},
          {"tokens", task.tokens}, {"data_hash", task.data_hash},     {"warnings", task.warnings}};
}

Json to_json(const VariantDescription& v) {
  Json layers = Json::array();
  for (const LayerDescription& layer : v.layers) layers.push_back(to_json(layer));
  return {{"name", v.name},
          {"method", v.method},
          {"settings", v.settings},
          {"bits", number(v.bits)},
          {"sparsity", number(v.sparsity)},
          {"size_bytes", v.size_bytes},
          {"weights_hash", v.weights_hash},
          {"layers", std::move(layers)},
          {"notes", v.notes}};
}

ReferenceDescription reference_description(const Json& json, std::string_view where) {
  return {.text = text(json, "text", where), .quantized = json_get<bool>(json, "quantized", where)};
}

ModelDescription model_description(const Json& json, std::string_view where) {
  return {.name = text(json, "name", where),
          .weights_hash = text(json, "weights_hash", where),
          .architecture = text(json, "architecture", where),
          .parameters = json_get<int64_t>(json, "parameters", where)};
}

TokenizerDescription tokenizer_description(const Json& json, std::string_view where) {
  return {.name = text(json, "name", where),
          .vocab_size = json_get<int64_t>(json, "vocab_size", where),
          .hash = text(json, "hash", where)};
}

TaskDescription task_description(const Json& json, std::string_view where) {
  return {.name = text(json, "name", where),
          .description = text(json, "description", where),
          .source = text(json, "source", where),
          .tokens = json_get<int64_t>(json, "tokens", where),
          .data_hash = text(json, "data_hash", where),
          .warnings = json_get<std::vector<std::string>>(json, "warnings", where)};
}

VariantDescription variant_description(const Json& json, std::string_view where) {
  VariantDescription v{.name = text(json, "name", where),
                       .method = text(json, "method", where),
                       .settings = json_get<Json>(json, "settings", where),
                       .bits = number(json, "bits", where),
                       .sparsity = number(json, "sparsity", where),
                       .size_bytes = json_get<int64_t>(json, "size_bytes", where),
                       .weights_hash = text(json, "weights_hash", where),
                       .layers = {},
                       .notes = json_get<std::vector<std::string>>(json, "notes", where)};
  for (const Json& layer : json_get<std::vector<Json>>(json, "layers", where)) {
    v.layers.push_back(layer_description(layer, where));
  }
  return v;
}

}  // namespace assay
