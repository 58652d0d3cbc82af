#pragma once
// The parts of a study as its summary and the results of its arms describe them
// (docs/summary-json.md).

#include "compare/description.h"
#include "compare/summary.h"
#include "run/output_folder.h"
#include "run/plan.h"

namespace assay {

ReferenceDescription describe_reference(const Plan& plan);
ModelDescription describe_model(const Plan& plan);
TokenizerDescription describe_tokenizer(const Plan& plan);
TaskDescription describe_task(const AskedTask& task);

// Of a study that has calibration text; with its overlap with each task.
CalibrationDescription describe_calibration(const Plan& plan);

// The base as an arm: method "none". Its weights were inspected, as a variant's below.
VariantDescription describe_base(const Plan& plan, const OutputFolder& output);

// Of a variant whose weights were made: what its compression reported, and what is in its file.
VariantDescription describe_variant(const Plan& plan, const PlannedVariant& variant,
                                    const OutputFolder& output);

}  // namespace assay
