#include "stats/sign_draws.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/philox.h"

namespace assay {
namespace {

// Sums that differ in the order of their terms alone are equal.
constexpr double kRelativeTie = 1e-12;

std::vector<double> values_under_draws(int64_t num_clusters, const SignStatistic& statistic,
                                       PhiloxStream random, int64_t draws) {
  require(num_clusters >= 1 && draws >= 1, "sign draws: ", num_clusters, " clusters, ", draws,
          " draws");
  std::vector<uint8_t> turned(static_cast<size_t>(num_clusters));
  std::vector<double> values;
  for (int64_t draw = 0; draw < draws; ++draw) {
    uint32_t word = 0;
    for (size_t g = 0; g < turned.size(); ++g) {
      word = g % 32 == 0 ? random.next_uint32() : word >> 1;
      turned[g] = word & 1;
    }
    values.push_back(statistic(turned));
  }
  return values;
}

bool has_nan(const std::vector<double>& values) {
  return std::ranges::any_of(values, [](double value) { return std::isnan(value); });
}

}  // namespace

ChanceDistribution chance_distribution(int64_t num_clusters, const SignStatistic& statistic,
                                       uint64_t seed, int64_t draws) {
  auto values = values_under_draws(num_clusters, statistic, PhiloxStream(seed, 4), draws);
  if (has_nan(values)) return {};
  std::ranges::sort(values);
  ChanceDistribution result{.mean = 0, .middle = {}};
  for (const double value : values) result.mean += value / static_cast<double>(draws);
  const auto outside = static_cast<size_t>((1 - kConfidence) / 2 * static_cast<double>(draws));
  result.middle = {values[outside], values[values.size() - 1 - outside]};
  return result;
}

double sign_draw_p(int64_t num_clusters, const SignStatistic& statistic, uint64_t seed,
                   int64_t draws) {
  const auto values = values_under_draws(num_clusters, statistic, PhiloxStream(seed, 5), draws);
  const double observed =
      statistic(std::vector<uint8_t>(static_cast<size_t>(num_clusters), uint8_t{0}));
  if (has_nan(values) || std::isnan(observed)) return NAN;
  const double threshold = std::abs(observed) * (1 - kRelativeTie);
  const auto as_large =
      std::ranges::count_if(values, [&](double value) { return std::abs(value) >= threshold; });
  return static_cast<double>(as_large + 1) / static_cast<double>(draws + 1);
}

}  // namespace assay
