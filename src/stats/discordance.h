#pragma once
// What may be claimed when little or nothing changed: zero flips is not an interval [0, 0].

#include <cstdint>

#include "stats/interval.h"

namespace assay {

// Fewer clusters with a changed item than this and no sign-flip test can reach one-sided 0.025
// (2^-5 > 0.025).
inline constexpr int64_t kFewDiscordant = 6;

// Bounds of a difference that at most `scale` per cluster can contribute to: each side is the exact
// upper bound on the share of clusters with any item that changed in that direction. Without
// changed clusters:
// +-scale (1 - ((1 - confidence) / 2)^(1 / G)). Conservative: a changed cluster counts as changed
// in every item.
//   num_lowered, num_raised   clusters with any item whose difference is negative / positive
Interval discordance_bound(int64_t num_lowered, int64_t num_raised, int64_t num_clusters,
                           double scale, double confidence = kConfidence);

}  // namespace assay
