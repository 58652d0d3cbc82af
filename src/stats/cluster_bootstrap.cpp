#include "stats/cluster_bootstrap.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/philox.h"

namespace assay {
namespace {

std::span<const double> row(const ClusterSums& data, size_t cluster) {
  const auto k = static_cast<size_t>(data.num_components);
  return std::span(data.sums).subspan(cluster * k, k);
}

// sum_g weight_g x_g over the rows.
void weighted_total(const ClusterSums& data, std::span<const uint32_t> weights,
                    std::vector<double>& total) {
  std::fill(total.begin(), total.end(), 0.0);
  for (size_t g = 0; g < weights.size(); ++g) {
    if (weights[g] == 0) continue;
    const auto x = row(data, g);
    for (size_t k = 0; k < x.size(); ++k) total[k] += weights[g] * x[k];
  }
}

// Jackknife error of a sample that holds cluster g weights[g] times: one copy is left out at a
// time.
double weighted_jackknife(const ClusterSums& data, std::span<const uint32_t> weights,
                          std::span<const double> total, const SumStatistic& statistic,
                          std::vector<double>& without) {
  double n = 0;
  double sum = 0;
  double squares = 0;
  double shift =
      NAN;  // values are taken relative to the first: their differences are small beside them
  for (size_t g = 0; g < weights.size(); ++g) {
    if (weights[g] == 0) continue;
    const auto x = row(data, g);
    for (size_t k = 0; k < x.size(); ++k) without[k] = total[k] - x[k];
    const double value = statistic(without);
    if (std::isnan(value)) return NAN;
    if (std::isnan(shift)) shift = value;
    const double w = weights[g];
    n += w;
    sum += w * (value - shift);
    squares += w * (value - shift) * (value - shift);
  }
  return std::sqrt(std::max(0.0, (n - 1) / n * (squares - sum * sum / n)));
}

void draw_clusters(PhiloxStream& random, std::span<uint32_t> weights) {
  std::fill(weights.begin(), weights.end(), 0u);
  const auto n = static_cast<uint32_t>(weights.size());
  for (uint32_t i = 0; i < n; ++i) ++weights[random.below(n)];
}

void check(const ClusterSums& data, double confidence, int64_t resamples) {
  require(data.num_clusters >= 1 && data.num_components >= 1 &&
              data.sums.size() == static_cast<size_t>(data.num_clusters * data.num_components),
          "cluster bootstrap: ", data.sums.size(), " sums are not [", data.num_clusters, ", ",
          data.num_components, "]");
  require(confidence > 0 && confidence < 1 && resamples >= 1, "cluster bootstrap: bad arguments");
}

// The value that `share` of the sorted values lie below, with (resamples + 1) share as rank.
double quantile(const std::vector<double>& sorted, double share) {
  const double rank = share * static_cast<double>(sorted.size() + 1) - 1;
  const double clamped = std::clamp(rank, 0.0, static_cast<double>(sorted.size() - 1));
  const auto below = static_cast<size_t>(clamped);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double fraction = clamped - static_cast<double>(below);
  return sorted[below] + fraction * (sorted[above] - sorted[below]);
}

// Two-sided p: how far `threshold` lies in the tails of the sorted values.
double two_sided_p(const std::vector<double>& sorted, double threshold) {
  const auto up = static_cast<double>(std::ranges::lower_bound(sorted, threshold) - sorted.begin());
  const auto n = static_cast<double>(sorted.size());
  const auto down =
      n - static_cast<double>(std::ranges::upper_bound(sorted, threshold) - sorted.begin());
  const double smaller = std::min(n - up, n - down);
  return std::min(1.0, 2 * (smaller + 1) / (n + 1));
}

constexpr double kMaxUndefinedShare = 0.01;

}  // namespace

std::vector<double> total_sums(const ClusterSums& data) {
  std::vector<double> total(static_cast<size_t>(data.num_components));
  const std::vector<uint32_t> once(static_cast<size_t>(data.num_clusters), 1);
  weighted_total(data, once, total);
  return total;
}

double jackknife_standard_error(const ClusterSums& data, const SumStatistic& statistic) {
  check(data, kConfidence, 1);
  const std::vector<uint32_t> once(static_cast<size_t>(data.num_clusters), 1);
  std::vector<double> without(static_cast<size_t>(data.num_components));
  return weighted_jackknife(data, once, total_sums(data), statistic, without);
}

Bootstrap cluster_bootstrap_t(const ClusterSums& data, const SumStatistic& statistic, uint64_t seed,
                              double confidence, int64_t resamples) {
  check(data, confidence, resamples);
  Bootstrap result;
  std::vector<double> total = total_sums(data);
  result.value = statistic(total);
  result.standard_error = jackknife_standard_error(data, statistic);
  if (data.num_clusters < kMinClustersBootstrapT) {
    result.problem = "fewer than 20 clusters";
  } else if (std::isnan(result.value)) {
    result.problem = "the statistic is undefined";
  } else if (std::isnan(result.standard_error)) {
    result.problem = "the statistic is undefined without one of the clusters";
  } else if (result.standard_error == 0) {
    result.problem = "no cluster changes the statistic";
  }
  if (!result.problem.empty()) return result;

  PhiloxStream random(seed, 2);
  std::vector<uint32_t> weights(static_cast<size_t>(data.num_clusters));
  std::vector<double> without(total.size());
  std::vector<double> t;
  t.reserve(static_cast<size_t>(resamples));
  for (int64_t b = 0; b < resamples; ++b) {
    draw_clusters(random, weights);
    weighted_total(data, weights, total);
    const double value = statistic(total);
    const double error = weighted_jackknife(data, weights, total, statistic, without);
    if (std::isfinite(value) && error > 0) t.push_back((value - result.value) / error);
  }
  const auto undefined = resamples - static_cast<int64_t>(t.size());
  if (static_cast<double>(undefined) > kMaxUndefinedShare * static_cast<double>(resamples)) {
    result.problem = "undefined on " + std::to_string(undefined) + " of " +
                     std::to_string(resamples) + " resamples of the clusters";
    return result;
  }
  std::sort(t.begin(), t.end());
  const double tail = (1 - confidence) / 2;
  result.interval = {result.value - quantile(t, 1 - tail) * result.standard_error,
                     result.value - quantile(t, tail) * result.standard_error};
  result.p = two_sided_p(t, result.value / result.standard_error);
  return result;
}

Bootstrap cluster_bootstrap_percentile(const ClusterSums& data, const SumStatistic& statistic,
                                       uint64_t seed, double confidence, int64_t resamples) {
  check(data, confidence, resamples);
  Bootstrap result;
  std::vector<double> total = total_sums(data);
  result.value = statistic(total);
  result.standard_error = jackknife_standard_error(data, statistic);
  if (data.num_clusters < kMinClustersPercentile) {
    result.problem = "fewer than 100 clusters";
    return result;
  }
  PhiloxStream random(seed, 3);
  std::vector<uint32_t> weights(static_cast<size_t>(data.num_clusters));
  std::vector<double> values;
  values.reserve(static_cast<size_t>(resamples));
  for (int64_t b = 0; b < resamples; ++b) {
    draw_clusters(random, weights);
    weighted_total(data, weights, total);
    const double value = statistic(total);
    if (std::isfinite(value)) values.push_back(value);
  }
  const auto undefined = resamples - static_cast<int64_t>(values.size());
  if (static_cast<double>(undefined) > kMaxUndefinedShare * static_cast<double>(resamples)) {
    result.problem = "undefined on " + std::to_string(undefined) + " of " +
                     std::to_string(resamples) + " resamples of the clusters";
    return result;
  }
  std::sort(values.begin(), values.end());
  const double tail = (1 - confidence) / 2;
  result.interval = {quantile(values, tail), quantile(values, 1 - tail)};
  result.p = two_sided_p(values, 0);
  return result;
}

}  // namespace assay
