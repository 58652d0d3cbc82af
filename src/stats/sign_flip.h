#pragma once
// The test that decides: whole clusters of paired differences change sign. Exact when the
// difference of a cluster is distributed symmetrically about its expectation, whatever the cluster
// sizes and the dependence inside clusters.

#include <cstdint>
#include <span>

#include "stats/interval.h"

namespace assay {

inline constexpr int kMaxEnumerated = 14;  // clusters up to which all 2^G sign vectors are tried
inline constexpr int64_t kSignFlipDraws = 99999;  // random sign vectors above that
inline constexpr int64_t kMinClustersToDecide =
    6;  // below, the smallest one-sided p is 2^-5 > 0.025

struct SignFlip {
  double p = 1;             // two-sided, of mean difference 0; ties count
  Interval interval;        // all means that the same test does not reject; NaN below
                            // kMinClustersToDecide clusters
  int64_t num_vectors = 0;  // sign vectors tried
  bool exact = false;       // all of them
};

// Test of the mean of paired differences, mean = sum(sums) / sum(sizes): sums[g] of the differences
// of cluster g and its number of items sizes[g] > 0. Under a mean of d the statistic is |sum_g e_g
// (sums[g] - d sizes[g])|; both p and interval come from the same sign vectors e, so p <= 1 -
// confidence exactly when the interval excludes 0. With at most kMaxEnumerated clusters all vectors
// are tried, else `draws` seeded ones and the identity. Source: Canay, Romano & Shaikh,
// Econometrica 2017 (randomization under approximate symmetry).
SignFlip cluster_sign_flip(std::span<const double> sums, std::span<const double> sizes,
                           uint64_t seed, double confidence = kConfidence,
                           int64_t draws = kSignFlipDraws);

}  // namespace assay
