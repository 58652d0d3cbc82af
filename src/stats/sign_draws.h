#pragma once
// What chance alone makes of a statistic that has no interval: the signs of whole clusters are
// drawn, whatever the statistic is (spec/statistics.md 1).

#include <cstdint>
#include <functional>
#include <span>

#include "stats/interval.h"

namespace assay {

inline constexpr int64_t kSignDraws = 1999;

// The value when the clusters with turned[g] != 0 have changed their sign; NaN where undefined.
using SignStatistic = std::function<double(std::span<const uint8_t> turned)>;

struct ChanceDistribution {
  double mean = NAN;
  Interval middle;  // the middle 95 % of the draws
};

// Mean and middle of the statistic under `draws` vectors of fair signs. NaN when it is undefined
// under one of them.
ChanceDistribution chance_distribution(int64_t num_clusters, const SignStatistic& statistic,
                                       uint64_t seed, int64_t draws = kSignDraws);

// The share of sign vectors, among them the one that turns nothing, under which |statistic| is at
// least as large as when nothing is turned: a two-sided p where turning signs changes nothing but
// by chance. NaN when it is undefined under one of them.
double sign_draw_p(int64_t num_clusters, const SignStatistic& statistic, uint64_t seed,
                   int64_t draws = kSignDraws);

}  // namespace assay
