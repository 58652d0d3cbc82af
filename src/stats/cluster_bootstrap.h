#pragma once
// Intervals of any statistic of sums, by resampling whole clusters. Works on a matrix of cluster
// sums, so a resample costs the number of clusters, not of items.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "stats/interval.h"

namespace assay {

inline constexpr int64_t kMinClustersBootstrapT = 20;
inline constexpr int64_t kMinClustersPercentile = 100;
inline constexpr int64_t kBootstrapResamples = 9999;

// Sums of the components of the items, by cluster.
struct ClusterSums {
  int64_t num_clusters = 0;
  int64_t num_components = 0;
  std::vector<double> sums;  // [num_clusters, num_components], row by row
};

// A statistic of the sums of the components over all items; NaN when undefined.
using SumStatistic = std::function<double(std::span<const double> sums)>;

struct Bootstrap {
  double value = NAN;           // of the statistic on the data
  double standard_error = NAN;  // jackknife over clusters
  double p = NAN;               // two-sided, of value 0, by the same resamples
  Interval interval;            // NaN when it cannot be given; `problem` says why
  std::string problem;
};

// Sums over all clusters.
std::vector<double> total_sums(const ClusterSums& data);

// sqrt((G - 1) / G * sum_g (t_-g - mean)^2) with t_-g the statistic without cluster g; NaN when a
// t_-g is undefined.
double jackknife_standard_error(const ClusterSums& data, const SumStatistic& statistic);

// Bootstrap-t for smooth statistics: (t* - t) / se* of each resample of clusters, se* its own
// jackknife error; ends t - q_high se and t - q_low se. Fewer than kMinClustersBootstrapT clusters,
// an undefined or zero standard error, or more than 1 % of resamples undefined: no interval.
// Source: Efron & Tibshirani 1993, 12.5; Davison & Hinkley 1997, 5.2.
Bootstrap cluster_bootstrap_t(const ClusterSums& data, const SumStatistic& statistic, uint64_t seed,
                              double confidence = kConfidence,
                              int64_t resamples = kBootstrapResamples);

// Percentile bootstrap. It under-covers with few, unequal clusters: below kMinClustersPercentile
// there is no interval.
Bootstrap cluster_bootstrap_percentile(const ClusterSums& data, const SumStatistic& statistic,
                                       uint64_t seed, double confidence = kConfidence,
                                       int64_t resamples = kBootstrapResamples);

}  // namespace assay
