#pragma once
// Exact interval of a proportion.

#include <cstdint>

#include "stats/interval.h"

namespace assay {

// Clopper-Pearson: each end has tail (1 - confidence) / 2; at 0 of n the high end is 1 - ((1 -
// confidence) / 2)^(1/n). Error(kBadInput) unless 0 <= successes <= trials and trials >= 1. Source:
// Clopper & Pearson, Biometrika 1934.
Interval clopper_pearson(int64_t successes, int64_t trials, double confidence = kConfidence);

}  // namespace assay
