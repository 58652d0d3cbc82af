#pragma once
// How small an effect the comparison would have shown: stands beside every verdict.

#include <cstdint>

#include "stats/interval.h"

namespace assay {

inline constexpr double kPower = 0.8;

// Minimum detectable effect of a test at two-sided level 1 - confidence: (t_{1 - alpha/2} +
// t_power) standard errors.
double minimum_detectable_effect(double standard_error, double dof, double confidence = kConfidence,
                                 double power = kPower);

// The same where little changed: the share of clusters, all changed in one direction, that puts
// kFewDiscordant of them into the sample with the given power. NaN when there are fewer clusters
// than that.
double minimum_detectable_share(int64_t num_clusters, double power = kPower);

// Non-inferior: the difference, oriented so that negative is harm, is above -margin (one-sided at
// half of 1 - confidence of the interval).
bool non_inferior(const Interval& oriented, double margin);

// Equivalent by two one-sided tests: the whole interval lies inside (-margin, margin). Source:
// Schuirmann 1987.
bool equivalent(const Interval& difference, double margin);

}  // namespace assay
