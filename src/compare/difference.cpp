#include "compare/difference.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace assay {

bool is_mean_difference(const Outcome& outcome) {
  return outcome.is_mean && outcome.scale == Scale::kDifference;
}

double orientation(const Outcome& outcome) {
  return outcome.direction == Direction::kLowerIsBetter ? -1 : 1;
}

double scaled(const Outcome& outcome, double value) {
  if (outcome.scale == Scale::kDifference) return value;
  return value > 0 ? std::log(value) : NAN;
}

SumStatistic difference_statistic(const Outcome& outcome) {
  return [&outcome](std::span<const double> sums) {
    const auto k = static_cast<size_t>(outcome.num_components);
    return orientation(outcome) * (scaled(outcome, outcome.statistic(sums.subspan(k))) -
                                   scaled(outcome, outcome.statistic(sums.first(k))));
  };
}

ClusterSums sums_by_cluster(const OutcomePairs& pairs,
                            std::initializer_list<const std::vector<double>*> arms) {
  const auto k = static_cast<size_t>(pairs.num_components);
  ClusterSums result;
  result.num_clusters = pairs.num_clusters;
  result.num_components = pairs.num_components * static_cast<int64_t>(arms.size());
  const auto width = static_cast<size_t>(result.num_components);
  result.sums.resize(static_cast<size_t>(pairs.num_clusters) * width);
  for (size_t i = 0; i < pairs.size(); ++i) {
    double* row = &result.sums[static_cast<size_t>(pairs.cluster[i]) * width];
    for (const auto* arm : arms) {
      for (size_t j = 0; j < k; ++j) *row++ += (*arm)[i * k + j];
    }
  }
  return result;
}

std::vector<double> influences(const Outcome& outcome, const OutcomePairs& pairs) {
  const auto k = static_cast<size_t>(pairs.num_components);
  std::vector<double> result(pairs.size());
  if (is_mean_difference(outcome)) {
    for (size_t i = 0; i < pairs.size(); ++i) {
      result[i] = orientation(outcome) * (pairs.variant[i * k] - pairs.base[i * k]);
    }
    return result;
  }
  if (outcome.statistic == nullptr) {
    for (size_t i = 0; i < pairs.size(); ++i) {
      result[i] = pairs.variant[(i + 1) * k - 1] - pairs.base[(i + 1) * k - 1];
    }
    return result;
  }
  const auto statistic = difference_statistic(outcome);
  const auto sums = total_sums(sums_by_cluster(pairs, {&pairs.base, &pairs.variant}));
  std::vector<double> gradient(2 * k);
  for (size_t j = 0; j < 2 * k; ++j) {
    const double step = 1e-5 * std::max(std::abs(sums[j]), 1.0);
    auto up = sums;
    auto down = sums;
    up[j] += step;
    down[j] -= step;
    gradient[j] = (statistic(up) - statistic(down)) / (2 * step);
    if (!std::isfinite(gradient[j])) gradient[j] = 0;  // at the edge of the statistic's domain
  }
  for (size_t i = 0; i < pairs.size(); ++i) {
    for (size_t j = 0; j < k; ++j) {
      result[i] += gradient[j] * pairs.base[i * k + j] + gradient[k + j] * pairs.variant[i * k + j];
    }
  }
  return result;
}

ChangedClusters count_changed(const Outcome& outcome, const OutcomePairs& pairs,
                              std::span<const double> differences) {
  const auto k = static_cast<size_t>(pairs.num_components);
  const bool by_sign = is_mean_difference(outcome);
  std::vector<std::array<bool, 2>> changed(static_cast<size_t>(pairs.num_clusters));
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (std::equal(&pairs.base[i * k], &pairs.base[i * k] + k, &pairs.variant[i * k])) continue;
    auto& cluster = changed[static_cast<size_t>(pairs.cluster[i])];
    cluster[0] = cluster[0] || !by_sign || differences[i] < 0;
    cluster[1] = cluster[1] || !by_sign || differences[i] > 0;
  }
  ChangedClusters result;
  for (const auto& [lowered, raised] : changed) {
    result.lowered += lowered;
    result.raised += raised;
    result.any += lowered || raised;
  }
  return result;
}

double largest_change(const Outcome& outcome, const OutcomePairs& pairs) {
  const auto k = static_cast<size_t>(pairs.num_components);
  if (is_mean_difference(outcome)) {
    double low = pairs.base[0];
    double high = pairs.base[0];
    for (size_t i = 0; i < pairs.size(); ++i) {
      low = std::min({low, pairs.base[i * k], pairs.variant[i * k]});
      high = std::max({high, pairs.base[i * k], pairs.variant[i * k]});
    }
    if (low >= 0 && high <= 1) return 1;
    if (low >= -1 && high <= 1) return 2;
    return low < high ? high - low : std::abs(high);
  }
  const auto data = sums_by_cluster(pairs, {&pairs.base});
  const auto total = total_sums(data);
  std::vector<double> without(k);
  double low = INFINITY;
  double high = -INFINITY;
  for (size_t g = 0; g < static_cast<size_t>(data.num_clusters); ++g) {
    for (size_t j = 0; j < k; ++j) without[j] = total[j] - data.sums[g * k + j];
    const double value = scaled(outcome, outcome.statistic(without));
    low = std::min(low, value);
    high = std::max(high, value);
  }
  return static_cast<double>(data.num_clusters) * (high - low);  // NaN or infinite: no bound
}

}  // namespace assay
