#include "run/compare_runs.h"

#include <algorithm>
#include <utility>

#include "base/version.h"
#include "compare/summary.h"

namespace assay {
namespace {

std::vector<std::vector<AnsweredItem>> items_of(const RecordedRun& run) {
  std::vector<std::vector<AnsweredItem>> tasks;
  for (const RecordedTask& task : run.tasks) tasks.push_back(task.items);
  return tasks;
}

// Arms of different studies may share a name; then the folder tells them apart.
std::string name_among(const RecordedRun& run, const std::vector<ComparedRun>& runs) {
  const auto same = std::ranges::count_if(
      runs, [&](const ComparedRun& other) { return other.run.arm == run.arm; });
  return same == 1 ? run.arm : run.file.parent_path().string();
}

// A compressed base is not the model that it was made of.
ReferenceDescription reference_of(const RecordedRun& base) {
  ReferenceDescription reference = base.reference;
  if (base.arm != "base") reference.text = base.arm + " of " + reference.text;
  return reference;
}

}  // namespace

Json compare_runs(const RecordedRun& base, const std::vector<ComparedRun>& runs, uint64_t seed,
                  const PolicyFile* declared) {
  StudyAnswers study{
      .tasks = {}, .base = items_of(base), .variants = {}, .not_interpretable = {}, .seed = seed};
  StudyDescription description;
  description.study = "runs against " + base.arm + " of " + base.model.name;
  description.assay_version = version();
  description.reference = reference_of(base);
  description.model = base.model;
  description.model.weights_hash = base.variant.weights_hash;
  description.base_inspection = base.variant.inspection;
  description.tokenizer = base.tokenizer;
  for (const RecordedTask& task : base.tasks) {
    study.tasks.push_back({task.description.name, task.outcomes});
    description.tasks.push_back(task.description);
  }
  for (const auto& [run, control] : runs) {
    require_comparable(base, run);
    const std::string name = name_among(run, runs);
    study.variants.push_back({.name = name, .control = control, .tasks = items_of(run)});
    description.variants.push_back(run.variant);
    description.variants.back().name = name;
  }
  const Policy policy =
      declared == nullptr ? default_policy(study.tasks) : policy_of(*declared, study.tasks);
  return summary_json(description, study, policy, compare_study(study, policy));
}

}  // namespace assay
