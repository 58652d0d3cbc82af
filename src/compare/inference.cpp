#include "compare/inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "compare/difference.h"
#include "compare/table_inference.h"
#include "stats/cluster_bootstrap.h"
#include "stats/cluster_robust.h"
#include "stats/clusters.h"
#include "stats/discordance.h"
#include "stats/paired_binary.h"
#include "stats/power.h"
#include "stats/proportion.h"
#include "stats/sign_flip.h"

namespace assay {
namespace {

// Above this many clusters the bootstrap-t, whose jackknife visits every cluster of every resample,
// gives way to the percentile bootstrap, which is accurate there.
constexpr int64_t kManyClusters = 2000;

// One arm's own interval. Means by CR2, exact by clusters where all items agree; other statistics
// by bootstrap.
Estimate estimate_arm(const Outcome& outcome, const OutcomePairs& pairs,
                      const std::vector<double>& arm, uint64_t seed, const Effort& effort) {
  const auto k = static_cast<size_t>(pairs.num_components);
  const auto data = sums_by_cluster(pairs, {&arm});
  Estimate result;
  result.value = outcome.statistic(total_sums(data));
  if (is_mean_difference(outcome)) {
    std::vector<double> values(pairs.size());
    std::vector<double> sizes(pairs.size());
    for (size_t i = 0; i < pairs.size(); ++i) {
      values[i] = arm[i * k];
      sizes[i] = arm[i * k + 1];
    }
    const auto [low, high] = std::ranges::minmax(values);
    const bool share = low >= 0 && high <= 1;
    if (share && low == high && (low == 0 || low == 1)) {
      const auto exact = clopper_pearson(low == 1 ? pairs.num_clusters : 0, pairs.num_clusters);
      return {result.value, exact.low, exact.high};
    }
    if (pairs.num_clusters < 2) return result;
    auto interval =
        cluster_robust_mean(cluster_sums(values, pairs.cluster), cluster_sums(sizes, pairs.cluster))
            .interval;
    if (share) interval = {std::max(0.0, interval.low), std::min(1.0, interval.high)};
    return {result.value, interval.low, interval.high};
  }
  const SumStatistic statistic = [&outcome](std::span<const double> sums) {
    return scaled(outcome, outcome.statistic(sums));
  };
  const auto bootstrap =
      pairs.num_clusters > kManyClusters
          ? cluster_bootstrap_percentile(data, statistic, seed, kConfidence, effort.resamples)
          : cluster_bootstrap_t(data, statistic, seed, kConfidence, effort.resamples);
  const bool log_scale = outcome.scale == Scale::kRatio;
  result.low = log_scale ? std::exp(bootstrap.interval.low) : bootstrap.interval.low;
  result.high = log_scale ? std::exp(bootstrap.interval.high) : bootstrap.interval.high;
  return result;
}

void set_interval(Inference& result, const Interval& interval) {
  result.difference.low = interval.low;
  result.difference.high = interval.high;
}

bool is_binary(const OutcomePairs& pairs) {
  const auto k = static_cast<size_t>(pairs.num_components);
  for (size_t i = 0; i < pairs.size(); ++i) {
    for (const double value : {pairs.base[i * k], pairs.variant[i * k]}) {
      if (value != 0 && value != 1) return false;
    }
  }
  return true;
}

// Yes/no answers to items that are clusters of their own.
bool is_independent_binary(const OutcomePairs& pairs) {
  return pairs.num_clusters == static_cast<int64_t>(pairs.size()) && is_binary(pairs);
}

Interval score_interval(const OutcomePairs& pairs, std::span<const double> differences) {
  const auto losses = std::ranges::count_if(differences, [](double d) { return d < 0; });
  const auto gains = std::ranges::count_if(differences, [](double d) { return d > 0; });
  return tango_interval(losses, gains, static_cast<int64_t>(pairs.size()));
}

void infer_mean(const OutcomePairs& pairs, std::span<const double> differences,
                const ChangedClusters& changed, double scale, uint64_t seed, const Effort& effort,
                Inference& result) {
  const auto sums = cluster_sums(differences, pairs.cluster);
  const auto sizes = cluster_sums(std::vector<double>(pairs.size(), 1.0), pairs.cluster);
  if (pairs.num_clusters >= 2) {
    const auto robust = cluster_robust_mean(sums, sizes);
    result.cross_check = CrossCheck{fmt::format("CR2, Satterthwaite {:.1f} df", robust.dof),
                                    robust.interval.low, robust.interval.high};
    result.mde = minimum_detectable_effect(robust.standard_error, robust.dof);
  }
  const auto test = cluster_sign_flip(sums, sizes, seed, kConfidence, effort.sign_flips);
  result.p = test.p;
  if (pairs.num_clusters < kMinClustersToDecide) {
    result.method = "none";
    result.problem = fmt::format("{} clusters, fewer than 6", pairs.num_clusters);
  } else if (changed.any < kFewDiscordant) {
    result.method =
        fmt::format("exact bound, {} of {} clusters changed", changed.any, pairs.num_clusters);
    set_interval(result,
                 discordance_bound(changed.lowered, changed.raised, pairs.num_clusters, scale));
    result.mde = scale * minimum_detectable_share(pairs.num_clusters);
    result.cross_check.reset();
    if (is_independent_binary(pairs)) {
      const auto score = score_interval(pairs, differences);
      result.cross_check =
          CrossCheck{"score interval of a paired difference (Tango)", score.low, score.high};
    }
  } else {
    result.method = fmt::format("cluster sign-flip, inverted ({} vectors)", test.num_vectors);
    auto interval = test.interval;
    if (is_independent_binary(pairs)) {
      // A few losses among many unchanged items are far from symmetric: the score interval knows,
      // and the wider end of the two holds (without it a loss of the margin passes in 5 % of
      // studies instead of 2.5 %).
      const auto score = score_interval(pairs, differences);
      interval = {std::min(interval.low, score.low), std::max(interval.high, score.high)};
      result.method += ", widened to the score interval";
    }
    set_interval(result, interval);
  }
}

void infer_smooth(const Outcome& outcome, const OutcomePairs& pairs, const ChangedClusters& changed,
                  double scale, uint64_t seed, const Effort& effort, Inference& result) {
  if (pairs.num_clusters < kMinClustersBootstrapT) {
    result.method = "none";
    result.problem = fmt::format("{} clusters, fewer than the 20 that {} needs", pairs.num_clusters,
                                 outcome.name);
    return;
  }
  if (changed.any < kFewDiscordant) {
    result.method = fmt::format("exact bound, linearised, {} of {} clusters changed", changed.any,
                                pairs.num_clusters);
    if (!std::isfinite(scale)) {
      result.problem = fmt::format("{} is undefined without one of the clusters", outcome.name);
      return;
    }
    result.p = changed.any == 0 ? 1 : std::ldexp(1.0, 1 - static_cast<int>(changed.any));
    set_interval(result,
                 discordance_bound(changed.lowered, changed.raised, pairs.num_clusters, scale));
    result.mde = scale * minimum_detectable_share(pairs.num_clusters);
    return;
  }
  const auto data = sums_by_cluster(pairs, {&pairs.base, &pairs.variant});
  const auto statistic = difference_statistic(outcome);
  const bool many = pairs.num_clusters > kManyClusters;
  const auto bootstrap =
      many ? cluster_bootstrap_percentile(data, statistic, seed, kConfidence, effort.resamples)
           : cluster_bootstrap_t(data, statistic, seed, kConfidence, effort.resamples);
  result.method = fmt::format("cluster bootstrap{} ({} resamples)", many ? ", percentile" : "-t",
                              effort.resamples);
  result.problem = bootstrap.problem;
  result.p = bootstrap.p;
  set_interval(result, bootstrap.interval);
  if (std::isfinite(bootstrap.standard_error)) {
    result.mde = minimum_detectable_effect(bootstrap.standard_error,
                                           static_cast<double>(pairs.num_clusters - 1));
  }
}

}  // namespace

double margin_of(const Outcome& outcome) {
  if (outcome.scale == Scale::kDifference) return outcome.margin;
  require(outcome.margin > 1, outcome.name, ": a margin on the ratio scale must exceed 1, got ",
          outcome.margin);
  return std::log(outcome.margin);
}

Inference infer(const Outcome& outcome, const OutcomePairs& pairs, uint64_t seed,
                const Effort& effort) {
  Inference result;
  if (pairs.size() == 0) {
    result.method = "none";
    result.problem = "no item was scored in both arms";
    return result;
  }
  const auto differences = influences(outcome, pairs);
  const auto spread = dependence(differences, pairs.cluster);
  result.num_items = static_cast<int64_t>(pairs.size());
  result.num_clusters = pairs.num_clusters;
  result.effective_n = spread.effective_n;
  result.icc = spread.icc;
  result.largest_cluster_share = spread.largest_share;
  if (outcome.statistic == nullptr) {
    if (outcome.of_items != nullptr) infer_items(outcome, pairs, seed, result);
    if (outcome.agreement != nullptr) infer_agreement(outcome, pairs, result);
    return result;
  }
  result.base = estimate_arm(outcome, pairs, pairs.base, seed, effort);
  result.variant = estimate_arm(outcome, pairs, pairs.variant, seed, effort);
  result.difference.value = orientation(outcome) * (scaled(outcome, result.variant.value) -
                                                    scaled(outcome, result.base.value));
  if (!std::isfinite(result.difference.value)) {
    result.method = "none";
    result.problem = fmt::format("{} is undefined in one of the arms", outcome.name);
    return result;
  }
  const auto changed = count_changed(outcome, pairs, differences);
  const double scale = largest_change(outcome, pairs);
  if (is_mean_difference(outcome)) {
    infer_mean(pairs, differences, changed, scale, seed, effort, result);
  } else {
    infer_smooth(outcome, pairs, changed, scale, seed, effort, result);
  }
  if (outcome.scale == Scale::kRatio) {
    const double sign = orientation(outcome);
    const double one = std::exp(sign * result.difference.low);
    const double other = std::exp(sign * result.difference.high);
    result.ratio = Estimate{std::exp(sign * result.difference.value), std::min(one, other),
                            std::max(one, other)};
  }
  return result;
}

}  // namespace assay
