#pragma once
// One arm read back from its results folder: results_<arm>.json and the samples files beside it.
// All that a comparison needs is there: no model, no data set.

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "compare/description.h"
#include "compare/paired.h"
#include "metrics/outcome.h"
#include "run/plan.h"

namespace assay {

// How the arms of a study are asked, task by task: what x_assay.asked of a results file holds. Two
// runs that differ in any of it are not comparable.
//   {"assay_version", "dtype", "answers": "log-likelihood", "chat_template": hash or null,
//    "tasks": [{"task": description, "tokens_hash", "chat": settings or null}, ...]}
Json asked_settings(const Plan& plan);

// The number type in which the study computes: "auto" resolved.
std::string compute_dtype(const Study& study);

struct RecordedTask {
  TaskDescription description;
  std::span<const Outcome> outcomes;
  std::shared_ptr<const void> owner;  // of outcomes that are no task's of ours
  std::string tokens_hash;
  std::vector<AnsweredItem> items;
};

struct RecordedRun {
  std::string arm;  // "base", "rtn-3bit"
  std::filesystem::path file;
  Json settings;  // x_assay.asked without its tasks
  ReferenceDescription reference;
  ModelDescription model;
  TokenizerDescription tokenizer;
  VariantDescription variant;  // of the base: method "none"
  std::vector<RecordedTask> tasks;
};

// `path`: a results file, or the folder of one arm; or those of lm-eval (run/lm_eval_run.h), which
// keeps the files of a model in a folder of its own. Error(kBadInput) names what is missing or of
// another type; of a folder that holds several arms, it lists them.
RecordedRun read_recorded_run(const std::filesystem::path& path);

// Error(kBadInput) names the first difference between how the two were asked: version, dtype,
// template, tasks, then the first item that differs in id, prompt, choices or target, then token
// ids.
void require_comparable(const RecordedRun& base, const RecordedRun& run);

}  // namespace assay
