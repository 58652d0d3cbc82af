#pragma once
// The answers of a study turned into its summary (docs/summary-json.md).

#include <map>
#include <string>
#include <vector>

#include "run/output_folder.h"
#include "run/plan.h"
#include "run/self_check.h"

namespace assay {

// Answers of one arm, in the order of the plan's tasks.
using ArmAnswers = std::vector<std::vector<ItemAnswers>>;

// What an item of a run is to the comparison.
std::vector<AnsweredItem> answered_items(const AskedTask& asked,
                                         std::span<const ItemAnswers> answers);

// `arms`: "base" and each variant by name. `run`: times and dates, kept under x_assay.run.
Json summarize(const Plan& plan, const OutputFolder& output,
               const std::map<std::string, ArmAnswers>& arms,
               const std::vector<SelfTest>& self_tests, Json run);

}  // namespace assay
