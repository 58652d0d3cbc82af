#pragma once
// All variants of a study against its base: every outcome inferred, adjusted for multiplicity, and
// decided.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compare/controls.h"
#include "compare/flips.h"
#include "compare/inference.h"
#include "compare/paired.h"
#include "compare/policy.h"
#include "compare/verdict.h"

namespace assay {

enum class Control { kNone, kPositive, kNegative };

struct VariantAnswers {
  std::string name;
  Control control = Control::kNone;
  std::vector<std::vector<AnsweredItem>> tasks;  // in the order of the study's tasks
};

struct StudyAnswers {
  std::vector<TaskOutcomes> tasks;
  std::vector<std::vector<AnsweredItem>> base;  // by task
  std::vector<VariantAnswers> variants;
  // Tasks whose numbers may not be read, with the reason; empty for all that this version can ask.
  std::map<std::string, std::string> not_interpretable;
  uint64_t seed = 0;
};

struct GroupResult {
  std::string group;
  int64_t num_items = 0;
  double base = NAN;
  double variant = NAN;
  Estimate difference;
  double effective_n = 0;
  bool hatched = true;  // fewer than 20 effective items
};

struct Result {
  size_t variant = 0;  // index into the study's variants
  size_t policy = 0;   // index into the policy's outcomes
  Inference inference;
  Decision decision;
  double p_adjusted =
      NAN;  // Holm over the variant's primary outcomes, Benjamini-Hochberg over its others
  bool alarm = false;  // harm shown, and p_adjusted <= 0.05
  UnscoredCounts unscored;
  std::optional<Flips> flips;       // descriptive
  std::optional<double> mcnemar_p;  // descriptive
  std::optional<LogLikelihoodShift> shift;
  std::vector<GroupResult> groups;  // in order of first appearance
};

// Whether a positive control was seen on a dimension, and on which of its outcomes: the one that
// shows the damage most clearly, the primary one where none does.
struct DetectedDimension {
  std::string dimension;
  std::string task;
  std::string outcome;
  bool detected = false;
};

struct PositiveControlReport {
  size_t variant = 0;
  std::vector<DetectedDimension> dimensions;
};

struct NegativeControlReport {
  size_t variant = 0;
  NegativeControl control;
};

struct Flipped {
  size_t variant = 0;
  size_t task = 0;
  FlippedItem item;
};

struct StudyComparison {
  std::vector<Result> results;  // by variant, then as in the policy
  std::vector<PositiveControlReport> positive;
  std::vector<NegativeControlReport> negative;
  std::vector<Flipped> flipped;  // by variant, then task, then swing
};

// Error(kBadInput) where the arms hold different items or the study's parts do not fit together.
StudyComparison compare_study(const StudyAnswers& study, const Policy& policy);

}  // namespace assay
