#pragma once
// Runs that were made at different times, against one of them as the base: the same comparison that
// a study makes of its own variants.

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "compare/policy_file.h"
#include "compare/study_comparison.h"
#include "run/recorded_run.h"

namespace assay {

struct ComparedRun {
  RecordedRun run;
  Control control = Control::kNone;
};

// The summary (docs/summary-json.md) of `runs` against `base`, under the policy given or the
// built-in one. `seed`: of the bootstrap; a study's own seed gives the study's own numbers.
// Error(kBadInput) names the first difference where a run was not asked as the base was.
Json compare_runs(const RecordedRun& base, const std::vector<ComparedRun>& runs, uint64_t seed,
                  const PolicyFile* policy = nullptr);

}  // namespace assay
