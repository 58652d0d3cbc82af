#pragma once
// What is in the file of an arm (`assay inspect`), counted while its weights are there and kept in
// OUTPUT/ARM/inspection.json.

#include <filesystem>
#include <string>

#include "compare/description.h"
#include "model/inspect.h"
#include "run/output_folder.h"
#include "run/plan.h"

namespace assay {

inline constexpr size_t kWorstTensors = 5;  // shown, of those that differ from the base's

// An inspection as a summary holds it. Zeros, groups and errors are shares of what was counted,
// never means of shares.
FileInspection in_short(const Inspection& inspection);

// What an inspection depends on: the weights of the arm and of the base (run/variant_checkpoint.h),
// and the program. A recorded one with another key is counted again.
std::string inspection_key(const Json& identity, const Json& base_identity);

// Work of counting what is in the file of an arm, of the base without `variant`: as many operations
// of products as take the same time.
double inspect_gflop(const Plan& plan, const PlannedVariant* variant);

bool is_inspected(const std::filesystem::path& record, const std::string& key);

// Counts and records. `base`: nullptr for the base itself, which differs from nothing. Decodes
// every tensor of both once, so it wants to run before the model is in memory.
void inspect_arm(const Checkpoint& checkpoint, const Checkpoint* base,
                 const std::filesystem::path& record, const std::string& key);

// Error(kCorruptFile) where the record is damaged.
FileInspection recorded_inspection(const std::filesystem::path& record);

}  // namespace assay
