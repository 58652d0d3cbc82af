#include "stats/clusters.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

size_t count_clusters(std::span<const double> values, std::span<const int32_t> cluster) {
  require(!values.empty() && values.size() == cluster.size(), "clusters: ", values.size(),
          " values, ", cluster.size(), " cluster numbers");
  int32_t highest = -1;
  for (const int32_t c : cluster) {
    require(c >= 0, "clusters: negative cluster number ", c);
    highest = std::max(highest, c);
  }
  return static_cast<size_t>(highest) + 1;
}

// (MSB - MSW) / (MSB + (n0 - 1) MSW), with n0 the mean cluster size less its spread.
double anova_icc(std::span<const double> values, std::span<const int32_t> cluster,
                 std::span<const double> sums, std::span<const double> sizes, double square_sizes) {
  const auto n = static_cast<double>(values.size());
  const auto g = static_cast<double>(sums.size());
  double total = 0;
  for (const double sum : sums) total += sum;
  double between = 0;
  for (size_t c = 0; c < sums.size(); ++c) {
    const double deviation = sums[c] / sizes[c] - total / n;
    between += sizes[c] * deviation * deviation;
  }
  double within = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto c = static_cast<size_t>(cluster[i]);
    const double deviation = values[i] - sums[c] / sizes[c];
    within += deviation * deviation;
  }
  const double msb = between / (g - 1);
  const double msw = within / (n - g);
  const double n0 = (n - square_sizes / n) / (g - 1);
  const double total_variance = msb + (n0 - 1) * msw;
  return total_variance > 0 ? (msb - msw) / total_variance : NAN;
}

}  // namespace

std::vector<double> cluster_sums(std::span<const double> values, std::span<const int32_t> cluster) {
  std::vector<double> sums(count_clusters(values, cluster));
  for (size_t i = 0; i < values.size(); ++i) sums[static_cast<size_t>(cluster[i])] += values[i];
  return sums;
}

Dependence dependence(std::span<const double> values, std::span<const int32_t> cluster) {
  const auto sums = cluster_sums(values, cluster);
  std::vector<double> sizes(sums.size());
  for (const int32_t c : cluster) ++sizes[static_cast<size_t>(c)];
  require(std::ranges::min(sizes) > 0, "clusters: an empty cluster");
  const auto n = static_cast<double>(values.size());
  const auto g = static_cast<double>(sums.size());
  double square_sizes = 0;
  for (const double size : sizes) square_sizes += size * size;

  Dependence result;
  result.num_clusters = static_cast<int64_t>(sums.size());
  result.largest_share = std::ranges::max(sizes) / n;
  const auto [lowest, highest] = std::ranges::minmax(values);
  if (lowest == highest) {
    result.icc = result.design_effect = NAN;
    result.effective_n = g;
  } else if (sums.size() == values.size() || sums.size() == 1) {
    result.icc = NAN;
    result.design_effect = sums.size() == 1 ? NAN : 1;
    result.effective_n = g;
  } else {
    result.icc = anova_icc(values, cluster, sums, sizes, square_sizes);
    result.design_effect = 1 + std::max(result.icc, 0.0) * (square_sizes / n - 1);
    result.effective_n = n / result.design_effect;
  }
  return result;
}

}  // namespace assay
