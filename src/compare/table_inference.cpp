#include "compare/table_inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "compare/difference.h"
#include "stats/cluster_bootstrap.h"
#include "stats/discordance.h"
#include "stats/distributions.h"
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

// Every cluster by itself: the sums without one of them say how often each cluster counts.
ClusterSums indicators(int64_t num_clusters) {
  ClusterSums data{.num_clusters = num_clusters, .num_components = num_clusters, .sums = {}};
  const auto n = static_cast<size_t>(num_clusters);
  data.sums.resize(n * n);
  for (size_t g = 0; g < n; ++g) data.sums[g * n + g] = 1;
  return data;
}

// The agreement when cluster g counts times[g] times, 0 or 1.
double agreement_of(const Outcome& outcome, const OutcomePairs& pairs,
                    std::span<const double> times) {
  const size_t k = width(pairs);
  std::vector<double> base, variant;
  base.reserve(pairs.base.size());
  variant.reserve(pairs.base.size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (times[static_cast<size_t>(pairs.cluster[i])] == 0) continue;
    base.insert(base.end(), &pairs.base[i * k], &pairs.base[i * k] + k);
    variant.insert(variant.end(), &pairs.variant[i * k], &pairs.variant[i * k] + k);
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

void infer_agreement(const Outcome& outcome, const OutcomePairs& pairs, Inference& result) {
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
  if (pairs.num_clusters < kMinClustersBootstrapT) {
    result.problem = "fewer than 20 clusters";
    return;
  }
  const SumStatistic fisher = [&](std::span<const double> times) {
    return std::atanh(agreement_of(outcome, pairs, times));
  };
  const double z = std::atanh(agreement);
  const double error = jackknife_standard_error(indicators(pairs.num_clusters), fisher);
  if (!std::isfinite(z) || !std::isfinite(error) || error == 0) {
    result.problem = fmt::format("{} is 1 or undefined without some cluster", outcome.name);
    return;
  }
  const auto dof = static_cast<double>(pairs.num_clusters - 1);
  const double width = student_t_quantile((1 + kConfidence) / 2, dof) * error;
  result.method = fmt::format("jackknife over clusters, Fisher's z, {:.0f} df", dof);
  result.difference.low = std::tanh(z - width) - 1;
  result.difference.high = std::tanh(z + width) - 1;
  const double beyond = (z - std::atanh(1 - outcome.margin)) / error;
  result.p = beyond < 0 ? student_t_two_sided_p(beyond, dof) : 1;
  // On the scale of the agreement, whose slope against z is 1 - agreement^2.
  result.mde = (1 - agreement * agreement) * minimum_detectable_effect(error, dof);
}

}  // namespace assay
