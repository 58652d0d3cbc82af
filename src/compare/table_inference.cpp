#include "compare/table_inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "compare/difference.h"
#include "stats/cluster_bootstrap.h"
#include "stats/discordance.h"
#include "stats/power.h"
#include "stats/sign_draws.h"

namespace assay {
namespace {

size_t width(const OutcomePairs& pairs) { return static_cast<size_t>(pairs.num_components); }

// What one arm's value becomes when the signs of whole clusters are drawn.
Estimate by_chance(const Outcome& outcome, const OutcomePairs& pairs,
                   const std::vector<double>& arm, uint64_t seed) {
  std::vector<double> rows;
  const SignStatistic statistic = [&](std::span<const uint8_t> turned) {
    rows = arm;
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (turned[static_cast<size_t>(pairs.cluster[i])] == 0) continue;
      double& value = rows[(i + 1) * width(pairs) - 1];
      value = -value;
    }
    return outcome.of_items(rows);
  };
  const auto chance = chance_distribution(pairs.num_clusters, statistic, seed);
  return {chance.mean, chance.middle.low, chance.middle.high};
}

// p of no difference: base and variant of a cluster are exchangeable.
double exchange_p(const Outcome& outcome, const OutcomePairs& pairs, uint64_t seed) {
  const size_t k = width(pairs);
  std::vector<double> base, variant;
  const SignStatistic statistic = [&](std::span<const uint8_t> exchanged) {
    base = pairs.base;
    variant = pairs.variant;
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (exchanged[static_cast<size_t>(pairs.cluster[i])] == 0) continue;
      std::swap_ranges(&base[i * k], &base[i * k] + k, &variant[i * k]);
    }
    return outcome.of_items(variant) - outcome.of_items(base);
  };
  return sign_draw_p(pairs.num_clusters, statistic, seed, kTableDraws);
}

// Every cluster by itself: the sums of a resample are how often each cluster was drawn.
ClusterSums indicators(int64_t num_clusters) {
  ClusterSums data{.num_clusters = num_clusters, .num_components = num_clusters, .sums = {}};
  const auto n = static_cast<size_t>(num_clusters);
  data.sums.resize(n * n);
  for (size_t g = 0; g < n; ++g) data.sums[g * n + g] = 1;
  return data;
}

// The agreement when cluster g was drawn times[g] times.
double agreement_of(const Outcome& outcome, const OutcomePairs& pairs,
                    std::span<const double> times) {
  const size_t k = width(pairs);
  std::vector<double> base, variant;
  base.reserve(pairs.base.size());
  variant.reserve(pairs.base.size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    for (double n = times[static_cast<size_t>(pairs.cluster[i])]; n > 0.5; --n) {
      base.insert(base.end(), &pairs.base[i * k], &pairs.base[i * k] + k);
      variant.insert(variant.end(), &pairs.variant[i * k], &pairs.variant[i * k] + k);
    }
  }
  return outcome.agreement(base, variant);
}

}  // namespace

void infer_items(const Outcome& outcome, const OutcomePairs& pairs, uint64_t seed,
                 Inference& result) {
  result.base.value = outcome.of_items(pairs.base);
  result.variant.value = outcome.of_items(pairs.variant);
  result.difference.value = orientation(outcome) * (result.variant.value - result.base.value);
  result.method = "none";
  if (!std::isfinite(result.difference.value)) {
    result.problem = fmt::format("{} is undefined in one of the arms", outcome.name);
    return;
  }
  const Chance chance{by_chance(outcome, pairs, pairs.base, seed),
                      by_chance(outcome, pairs, pairs.variant, seed)};
  result.chance = chance;
  result.p = exchange_p(outcome, pairs, seed);
  result.method = fmt::format("signs of clusters drawn ({} times), arms exchanged ({} times)",
                              kSignDraws, kTableDraws);
  result.problem = fmt::format(
      "{} has no interval; chance alone gives {:.3f} [{:.3f}, {:.3f}] in the base, {:.3f} "
      "[{:.3f}, {:.3f}] in the variant",
      outcome.name, chance.base.value, chance.base.low, chance.base.high, chance.variant.value,
      chance.variant.low, chance.variant.high);
}

void infer_agreement(const Outcome& outcome, const OutcomePairs& pairs, uint64_t seed,
                     Inference& result) {
  const double agreement = outcome.agreement(pairs.base, pairs.variant);
  result.method = "none";
  if (!std::isfinite(agreement)) {
    result.problem = fmt::format("{} is undefined", outcome.name);
    return;
  }
  result.base.value = 1;
  result.variant.value = agreement;
  result.difference.value = agreement - 1;
  const auto changed = count_changed(outcome, pairs, influences(outcome, pairs));
  if (changed.any < kFewDiscordant) {
    result.problem = fmt::format("{} of {} clusters changed, too few to resample", changed.any,
                                 pairs.num_clusters);
    return;
  }
  // Above the margin's end, so that the bootstrap's p is of a loss of the margin.
  const SumStatistic above = [&](std::span<const double> times) {
    return agreement_of(outcome, pairs, times) - 1 + outcome.margin;
  };
  const auto data = indicators(pairs.num_clusters);
  const bool many = pairs.num_clusters >= kMinClustersPercentile;
  const auto bootstrap =
      many ? cluster_bootstrap_percentile(data, above, seed, kConfidence, kTableDraws)
           : cluster_bootstrap_t(data, above, seed, kConfidence, kTableDraws);
  result.method =
      fmt::format("cluster bootstrap{} ({} resamples)", many ? ", percentile" : "-t", kTableDraws);
  result.problem = bootstrap.problem;
  result.difference.low = bootstrap.interval.low - outcome.margin;
  result.difference.high = bootstrap.interval.high - outcome.margin;
  result.p = bootstrap.value < 0 ? bootstrap.p : 1;
  if (std::isfinite(bootstrap.standard_error)) {
    result.mde = minimum_detectable_effect(bootstrap.standard_error,
                                           static_cast<double>(pairs.num_clusters - 1));
  }
}

}  // namespace assay
