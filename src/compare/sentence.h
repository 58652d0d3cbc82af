#pragma once

#include <string>

#include "compare/policy.h"
#include "compare/study_comparison.h"

namespace assay {

// The verdict on one outcome in a sentence, with its change, interval, margin and minimum
// detectable effect.
std::string verdict_sentence(const std::string& variant, const PolicyOutcome& row,
                             const Result& result);

}  // namespace assay
