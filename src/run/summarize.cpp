#include "run/summarize.h"

#include <algorithm>

#include "base/version.h"
#include "compare/summary.h"
#include "run/describe.h"

namespace assay {
namespace {

StudyDescription describe(const Plan& plan, const OutputFolder& output,
                          const std::vector<SelfTest>& self_tests, Json run) {
  StudyDescription description;
  description.study = plan.study.name;
  description.assay_version = version();
  description.reference = describe_reference(plan);
  description.model = describe_model(plan);
  description.base_inspection = describe_base(plan, output).inspection;
  description.tokenizer = describe_tokenizer(plan);
  if (plan.calibration) description.calibration = describe_calibration(plan);
  for (const AskedTask& task : plan.tasks) description.tasks.push_back(describe_task(task));
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
