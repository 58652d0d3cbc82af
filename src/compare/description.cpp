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

Json to_json(const RoleInspection& role) {
  return {{"role", role.role},
          {"num_tensors", role.num_tensors},
          {"weights", role.weights},
          {"stored", role.stored},
          {"bits", number(role.bits)},
          {"zeros", number(role.zeros)},
          {"groups_2_4", number(role.groups_2_4)},
          {"relative_error", number(role.relative_error)}};
}

RoleInspection role_inspection(const Json& json, std::string_view where) {
  return {.role = text(json, "role", where),
          .num_tensors = json_get<int64_t>(json, "num_tensors", where),
          .weights = json_get<int64_t>(json, "weights", where),
          .stored = text(json, "stored", where),
          .bits = number(json, "bits", where),
          .zeros = number(json, "zeros", where),
          .groups_2_4 = number(json, "groups_2_4", where),
          .relative_error = number(json, "relative_error", where)};
}

Json to_json(const TensorError& error) {
  return {{"tensor", error.tensor},
          {"relative_error", number(error.relative_error)},
          {"max_error", number(error.max_error)}};
}

TensorError tensor_error(const Json& json, std::string_view where) {
  return {.tensor = text(json, "tensor", where),
          .relative_error = number(json, "relative_error", where),
          .max_error = number(json, "max_error", where)};
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

Json to_json(const FileInspection& inspection) {
  Json roles = Json::array(), worst = Json::array();
  for (const RoleInspection& role : inspection.roles) roles.push_back(to_json(role));
  for (const TensorError& error : inspection.worst) worst.push_back(to_json(error));
  return {{"format", inspection.format},
          {"stored_bytes", inspection.stored_bytes},
          {"linears", to_json(inspection.linears)},
          {"roles", std::move(roles)},
          {"worst", std::move(worst)},
          {"not_compared", inspection.not_compared},
          {"warnings", inspection.warnings},
          {"findings", inspection.findings}};
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
          {"notes", v.notes},
          {"inspection", v.inspection ? to_json(*v.inspection) : Json()}};
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

FileInspection file_inspection(const Json& json, std::string_view where) {
  FileInspection inspection{
      .format = text(json, "format", where),
      .stored_bytes = json_get<int64_t>(json, "stored_bytes", where),
      .linears = role_inspection(json_get<Json>(json, "linears", where), where),
      .roles = {},
      .worst = {},
      .not_compared = json_get<std::vector<std::string>>(json, "not_compared", where),
      .warnings = json_get<std::vector<std::string>>(json, "warnings", where),
      .findings = json_get<std::vector<std::string>>(json, "findings", where)};
  for (const Json& role : json_get<std::vector<Json>>(json, "roles", where)) {
    inspection.roles.push_back(role_inspection(role, where));
  }
  for (const Json& error : json_get<std::vector<Json>>(json, "worst", where)) {
    inspection.worst.push_back(tensor_error(error, where));
  }
  return inspection;
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
                       .notes = json_get<std::vector<std::string>>(json, "notes", where),
                       .inspection = {}};
  for (const Json& layer : json_get<std::vector<Json>>(json, "layers", where)) {
    v.layers.push_back(layer_description(layer, where));
  }
  const auto inspection = json_get_or<Json>(json, "inspection", nullptr, where);
  if (!inspection.is_null())
    v.inspection = file_inspection(inspection, std::string(where) + ": inspection");
  return v;
}

}  // namespace assay
