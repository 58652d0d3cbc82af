#pragma once
// The paired difference of an outcome as a statistic of sums, and how single pairs and clusters
// move it.

#include <initializer_list>
#include <span>
#include <vector>

#include "compare/paired.h"
#include "metrics/outcome.h"
#include "stats/cluster_bootstrap.h"

namespace assay {

// A mean on the difference scale: pairs have differences of their own and the sign-flip test
// applies.
bool is_mean_difference(const Outcome& outcome);

// -1 where lower is better, else 1: what turns variant - base into a number that is negative for
// harm.
double orientation(const Outcome& outcome);

// Value of one arm on the scale where differences are taken: itself, or its logarithm (NaN when not
// positive).
double scaled(const Outcome& outcome, double value);

// The oriented difference as a statistic of [base components, variant components]. `outcome` must
// outlive it.
SumStatistic difference_statistic(const Outcome& outcome);

// Rows [G, k] of one arm, or [G, 2k] of both.
ClusterSums sums_by_cluster(const OutcomePairs& pairs,
                            std::initializer_list<const std::vector<double>*> arms);

// Each pair's share in the difference: for a mean its own oriented difference, for another smooth
// statistic the linear part sum_j dT/ds_j c_ij, for what is no function of sums the difference of
// its signed number. What follows from it (dependence, direction of a change) needs it up to a
// factor only.
std::vector<double> influences(const Outcome& outcome, const OutcomePairs& pairs);

struct ChangedClusters {
  int64_t lowered = 0;  // clusters with a pair whose difference is negative
  int64_t raised = 0;   // ... positive
  int64_t any = 0;      // ... either
};

// For a statistic that is no mean the direction of one pair's change is not its own: it counts as
// both.
ChangedClusters count_changed(const Outcome& outcome, const OutcomePairs& pairs,
                              std::span<const double> differences);

// How far the difference could move if every cluster changed. A mean of numbers in [0, 1] moves by
// 1, in [-1, 1] by 2; of others by the range of what was seen. For another statistic: the range of
// the clusters' jackknife influences on the base's value, a linear bound; NaN or infinite when
// undefined without some cluster.
double largest_change(const Outcome& outcome, const OutcomePairs& pairs);

}  // namespace assay
