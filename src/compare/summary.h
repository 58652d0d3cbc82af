#pragma once
// Everything that a study found, as the JSON that every report reads. Its shape is
// docs/summary-json.md.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "compare/description.h"
#include "compare/overlap.h"
#include "compare/policy.h"
#include "compare/study_comparison.h"

namespace assay {

struct CalibrationDescription {
  std::string source;
  int64_t samples = 0;
  int64_t length = 0;
  uint64_t seed = 0;
  std::string hash;
  std::vector<std::pair<std::string, Overlap>> overlap;  // by task
};

struct SelfTestResult {
  std::string name;
  bool passed = false;
  std::string detail;
};

// What a study was, as far as it is not in its answers.
struct StudyDescription {
  std::string study;
  std::string assay_version;
  ReferenceDescription reference;
  ModelDescription model;
  TokenizerDescription tokenizer;
  std::optional<FileInspection> base_inspection;
  std::optional<CalibrationDescription> calibration;
  std::vector<TaskDescription> tasks;
  std::vector<VariantDescription> variants;
  std::vector<SelfTestResult> self_test;
  Json run = Json::object();  // times and dates: nothing else of the summary may depend on when it
                              // was made
};

inline constexpr size_t kFlippedItemsPerTask = 20;  // shown, of each variant and task

// Error(kBadInput) when the description's tasks or variants are not the answers'.
Json summary_json(const StudyDescription& description, const StudyAnswers& study,
                  const Policy& policy, const StudyComparison& comparison);

}  // namespace assay
