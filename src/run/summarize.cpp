#include "run/summarize.h"

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "base/version.h"
#include "compare/summary.h"

namespace assay {
namespace {

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

VariantDescription describe_variant(const Plan& plan, const PlannedVariant& variant,
                                    const OutputFolder& output) {
  VariantDescription description;
  description.name = variant.variant.name;
  if (!variant.method) {
    const auto checkpoint = Checkpoint::open(resolve_model(variant.variant.path));
    description.method = "made elsewhere";
    description.settings = {{"path", variant.variant.path}};
    description.weights_hash = "sha256:" + checkpoint.weights_hash();
    return description;
  }
  description.method = variant.variant.method;
  description.settings = to_json(*variant.method);
  const auto record = output.compression(variant.variant.name);
  const Json file = parse_json(read_file(record), record.string());
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
  // The linears packed, all other tensors in 16 bits.
  const double others =
      static_cast<double>(num_parameters(plan.base)) - report.at("elements").get<double>();
  description.size_bytes = static_cast<int64_t>((stored_bits + 16 * others) / 8);
  return description;
}

StudyDescription describe(const Plan& plan, const OutputFolder& output,
                          const std::vector<SelfTest>& self_tests, Json run) {
  StudyDescription description;
  description.study = plan.study.name;
  description.assay_version = version();
  description.reference = plan.base.description();
  description.quantized_reference = plan.base.quantized();
  description.model = {.name = plan.model_path.filename().string(),
                       .weights_hash = "sha256:" + plan.base.weights_hash(),
                       .architecture = plan.base.config().model_type,
                       .parameters = num_parameters(plan.base)};
  description.tokenizer = {
      .name = plan.model_path.filename().string(),
      .vocab_size = plan.tokenizer.vocab_size(),
      .hash = "sha256:" + sha256_hex(plan.tokenizer.to_tokenizer_json().dump())};
  if (plan.calibration) description.calibration = describe_calibration(plan);
  for (const AskedTask& task : plan.tasks) {
    description.tasks.push_back({.name = task.label,
                                 .description = std::string(task.task->description),
                                 .source = std::string(task.task->source),
                                 .tokens = task.cost.computed_tokens,
                                 .data_hash = "sha256:" + task.hashes.data,
                                 .warnings = {}});
  }
  for (const PlannedVariant& variant : plan.variants) {
    description.variants.push_back(describe_variant(plan, variant, output));
  }
  for (const SelfTest& test : self_tests) {
    description.self_test.push_back({test.name, test.passed, test.detail});
  }
  description.run = std::move(run);
  return description;
}

}  // namespace

std::vector<AnsweredItem> answered_items(const AskedTask& asked,
                                         std::span<const ItemAnswers> answers) {
  std::vector<AnsweredItem> items;
  for (size_t i = 0; i < asked.items.size(); ++i) {
    const Sample& sample = asked.items[i].sample;
    const Response response{answers[i]};
    AnsweredItem item{.id = sample.id,
                      .cluster = sample.cluster,
                      .groups = sample.groups,
                      .context = sample.context,
                      .choices = sample.choices,
                      .target = sample.target,
                      .contributions = asked.task->judge(sample, response),
                      .prediction = asked.task->prediction(sample, response),
                      .log_likelihoods = {}};
    const size_t num_answers = sample.choices.empty()
                                   ? answers[i].size()
                                   : std::min(sample.choices.size(), answers[i].size());
    for (size_t a = 0; a < num_answers; ++a) {
      item.log_likelihoods.push_back(answers[i][a].log_likelihood);
    }
    items.push_back(std::move(item));
  }
  return items;
}

Json summarize(const Plan& plan, const OutputFolder& output,
               const std::map<std::string, ArmAnswers>& arms,
               const std::vector<SelfTest>& self_tests, Json run) {
  StudyAnswers study;
  study.seed = static_cast<uint64_t>(plan.study.seed);
  const auto items_of = [&](const std::string& arm) {
    std::vector<std::vector<AnsweredItem>> tasks;
    for (size_t t = 0; t < plan.tasks.size(); ++t) {
      tasks.push_back(answered_items(plan.tasks[t], arms.at(arm)[t]));
    }
    return tasks;
  };
  for (const AskedTask& task : plan.tasks) study.tasks.push_back({task.label, task.task->outcomes});
  study.base = items_of("base");
  for (const PlannedVariant& variant : plan.variants) {
    study.variants.push_back({.name = variant.variant.name,
                              .control = variant.variant.control,
                              .tasks = items_of(variant.variant.name)});
  }
  const StudyComparison comparison = compare_study(study, plan.policy);
  return summary_json(describe(plan, output, self_tests, std::move(run)), study, plan.policy,
                      comparison);
}

}  // namespace assay
