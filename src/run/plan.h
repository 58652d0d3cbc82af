#pragma once
// A study made concrete: every word of the file resolved, every item tokenized, every cost known,
// nothing computed yet.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "compare/policy.h"
#include "compress/methods.h"
#include "compress/options.h"
#include "data/calibration_text.h"
#include "model/checkpoint.h"
#include "run/ask.h"
#include "run/study.h"

namespace assay {

struct PlannedVariant {
  StudyVariant variant;
  std::optional<MethodConfig> method;  // nothing for a checkpoint compressed elsewhere:
  std::optional<Checkpoint> made;      // that checkpoint
  bool needs_calibration = false;
  double compress_gflop =
      0;  // what earlier variants share left out; 0 for one compressed elsewhere
};

struct PlanCost {
  int64_t memory_bytes = 0;      // at the most, resident
  int64_t disk_bytes = 0;        // at the most, in the output folder
  int64_t rows_per_variant = 0;  // tokens through the blocks, prefixes shared
  double ask_gflop = 0;          // per variant
  double total_gflop = 0;
};

struct Plan {
  Study study;
  std::filesystem::path model_path;
  Checkpoint base;
  Tokenizer tokenizer;
  std::vector<PlannedVariant> variants;
  std::vector<AskedTask> tasks;
  std::optional<CalibrationSet> calibration;  // read when a variant needs it
  Policy policy;
  PlanCost cost;
  int64_t memory_limit = 0;  // of compressions (compress/options.h)
};

// Error(kBadInput) names what cannot be done: an unknown method, task or key, data that is not
// there, too little memory or disk, calibration that a method needs and the study lacks.
Plan make_plan(Study study, int64_t memory_limit = 0);

// What the compression of a variant with a method into `folder` is told, progress apart.
CompressOptions compress_options(const Plan& plan, const PlannedVariant& variant,
                                 const std::filesystem::path& folder);

// The methods of the variants that are compressed here, in order.
std::vector<MethodConfig> methods_of(const Plan& plan);

// The plan as a person reads it; `gflops` is the measured rate of this machine, for the time
// estimate.
std::string plan_text(const Plan& plan, double gflops);

// Work of asking: products of the blocks for each row, of the vocabulary for each row with logits.
double ask_gflop(const ModelConfig& config, const ScoreStats& cost);

}  // namespace assay
