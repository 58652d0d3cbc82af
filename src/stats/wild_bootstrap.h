#pragma once
// Wild cluster bootstrap-t of a mean with few, unequal clusters.

#include <cstdint>
#include <span>

#include "stats/interval.h"

namespace assay {

struct WildBootstrap {
  double p = 1;       // two-sided, of mean 0
  Interval interval;  // all means that the test does not reject
};

// The null is imposed (WCR): residuals under a mean of d are multiplied, cluster by cluster, by
// draws of Webb's six points +-sqrt(1/2), +-1, +-sqrt(3/2), and the t statistic with the CR1
// standard error is recomputed. The interval inverts the test with the same draws at every d. Needs
// at least 2 clusters: Error(kBadInput). Sources: Cameron, Gelbach & Miller, REStat 2008; Webb, QED
// working paper 1315 (2013).
WildBootstrap wild_cluster_bootstrap(std::span<const double> sums, std::span<const double> sizes,
                                     uint64_t seed, double confidence = kConfidence,
                                     int64_t draws = 9999);

}  // namespace assay
