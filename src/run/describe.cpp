#include "run/describe.h"

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "compress/report.h"
#include "model/kv_cache.h"
#include "run/inspect_arm.h"
#include "run/int8_modes.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

int64_t num_parameters(const Checkpoint& checkpoint) {
  int64_t count = 0;
  for (const TensorRecord& record : checkpoint.tensors()) {
    int64_t elements = 1;
    for (const int64_t size : record.shape) elements *= size;
    count += elements;
  }
  return count;
}

// Calibration text as words, one document a sequence.
std::vector<std::string> calibration_documents(const Plan& plan) {
  std::vector<std::string> documents;
  for (const auto& sequence : plan.calibration->sequences) {
    documents.push_back(plan.tokenizer.decode(sequence));
  }
  return documents;
}

// The cache that a checkpoint given as it is asks for.
void add_cache(const Checkpoint& checkpoint, VariantDescription& description) {
  if (const auto cache = kv_cache_format(checkpoint.provenance())) {
    description.settings["kv_cache"] = to_json(*cache);
  }
}

// What compression.json says of bits, zeros and layers; nlohmann's exception where it does not.
void add_compression(const Json& file, int64_t num_parameters, VariantDescription& description) {
  const Json& report = file.at("provenance").at("report");
  description.weights_hash = "sha256:" + file.at("weights_hash").get<std::string>();
  description.bits = report.at("bits").get<double>();
  description.sparsity = report.at("sparsity").get<double>();
  double stored_bits = 0;
  for (const Json& linear : report.at("linears")) {
    const auto elements = linear.at("rows").get<double>() * linear.at("cols").get<double>();
    stored_bits += linear.at("bits").get<double>() * elements;
    description.layers.push_back({.name = linear.at("tensor").get<std::string>(),
                                  .bits = linear.at("bits").get<double>(),
                                  .sparsity = linear.at("sparsity").get<double>(),
                                  .error = linear.at("weight_error").get<double>()});
  }
  const CompressionReport told = compression_report(report);
  for (const auto& [note, count] : told.note_counts()) {
    description.notes.push_back(
        fmt::format("in {} of {} linears: {}", count, told.linears.size(), note));
  }
  if (told.kv_cache && !told.kv_cache->note.empty())
    description.notes.push_back("KV cache: " + told.kv_cache->note);
  // The linears packed, all other tensors in 16 bits.
  const double others = static_cast<double>(num_parameters) - report.at("elements").get<double>();
  description.size_bytes = static_cast<int64_t>((stored_bits + 16 * others) / 8);
}

}  // namespace

ReferenceDescription describe_reference(const Plan& plan) {
  return {.text = plan.base.description(), .quantized = plan.base.quantized()};
}

ModelDescription describe_model(const Plan& plan) {
  return {.name = plan.model_path.filename().string(),
          .weights_hash = "sha256:" + plan.base.weights_hash(),
          .architecture = plan.base.config().model_type,
          .parameters = num_parameters(plan.base)};
}

TokenizerDescription describe_tokenizer(const Plan& plan) {
  return {.name = plan.model_path.filename().string(),
          .vocab_size = plan.tokenizer.vocab_size(),
          .hash = "sha256:" + sha256_hex(plan.tokenizer.to_tokenizer_json().dump())};
}

TaskDescription describe_task(const AskedTask& task) {
  return {.name = task.label,
          .description = std::string(task.task->description),
          .source = std::string(task.task->source),
          .tokens = task.cost.computed_tokens,
          .data_hash = "sha256:" + task.hashes.data,
          .warnings = {}};
}

CalibrationDescription describe_calibration(const Plan& plan) {
  CalibrationDescription description{.source = plan.study.calibration->data,
                                     .samples = plan.study.calibration->samples,
                                     .length = plan.study.calibration->length,
                                     .seed = plan.study.calibration->seed.value_or(0),
                                     .hash = "sha256:" + plan.calibration->ids_hash,
                                     .overlap = {}};
  const auto index = index_calibration(calibration_documents(plan));
  for (const AskedTask& task : plan.tasks) {
    std::vector<std::string> texts;
    for (const Item& item : task.items) texts.push_back(item.sample.text);
    description.overlap.emplace_back(task.label, find_overlap(index, texts));
  }
  return description;
}

VariantDescription describe_base(const Plan& plan, const OutputFolder& output) {
  VariantDescription description;
  description.name = "base";
  description.method = "none";
  add_cache(plan.base, description);
  description.weights_hash = "sha256:" + plan.base.weights_hash();
  description.inspection = recorded_inspection(output.inspection(description.name));
  return description;
}

VariantDescription describe_variant(const Plan& plan, const PlannedVariant& variant,
                                    const OutputFolder& output) {
  VariantDescription description;
  description.name = variant.variant.name;
  description.inspection = recorded_inspection(output.inspection(description.name));
  const auto modes = output.int8_modes(variant.variant.name);
  if (fs::exists(modes)) {
    const Json json = parse_json(read_file(modes), modes.string());
    description.notes.push_back(in_words(int8_modes(json, modes.string())));
  }
  if (!variant.method) {
    description.method = "made elsewhere";
    description.settings = {{"path", variant.variant.path}};
    add_cache(*variant.made, description);
    description.weights_hash = "sha256:" + variant.made->weights_hash();
    description.bits = description.inspection->linears.bits;
    description.sparsity = description.inspection->linears.zeros;
    description.size_bytes = description.inspection->stored_bytes;
    return description;
  }
  description.method = variant.variant.method;
  description.settings = to_json(*variant.method);
  const auto record = output.compression(variant.variant.name);
  const Json file = parse_json(read_file(record), record.string());
  try {
    in_context(record.string(),
               [&] { add_compression(file, num_parameters(plan.base), description); });
  } catch (const nlohmann::json::exception& e) {
    fail(ErrorKind::kCorruptFile, record.string(), ": not what a compression reported (", e.what(),
         "); delete it to compress again");
  }
  return description;
}

}  // namespace assay
