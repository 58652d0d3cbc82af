#include "stats/paired_binary.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "stats/distributions.h"

namespace assay {
namespace {

// Tango's score statistic at the difference `delta` (his equations 4 to 6).
double score_statistic(double b, double c, double n, double delta) {
  // q: restricted maximum likelihood estimate of the probability of (only first); that of (only
  // second) is q + delta.
  const double linear = -b - c + (2 * n - c + b) * delta;
  const double constant = -b * delta * (1 - delta);
  const double root = std::sqrt(std::max(0.0, linear * linear - 8 * n * constant));
  const double q = (root - linear) / (4 * n);
  const double variance = n * (2 * q + delta * (1 - delta));
  const double numerator = c - b - n * delta;
  if (variance <= 0) return numerator == 0 ? 0 : std::copysign(INFINITY, numerator);
  return numerator / std::sqrt(variance);
}

// The statistic falls in delta; the root of statistic = target in [low, high] by bisection to
// double precision.
double solve(double b, double c, double n, double target, double low, double high) {
  for (int step = 0; step < 100; ++step) {
    const double middle = low + (high - low) / 2;
    (score_statistic(b, c, n, middle) > target ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

}  // namespace

double mcnemar_exact_p(int64_t only_first, int64_t only_second) {
  require(only_first >= 0 && only_second >= 0, "mcnemar_exact_p: negative count");
  const int64_t discordant = only_first + only_second;
  const int64_t larger = std::max(only_first, only_second);
  return std::min(1.0, 2 * binomial_upper_tail(larger, discordant, 0.5));
}

Interval tango_interval(int64_t only_first, int64_t only_second, int64_t num_pairs,
                        double confidence) {
  require(num_pairs >= 1 && only_first >= 0 && only_second >= 0 &&
              only_first + only_second <= num_pairs,
          "tango_interval: ", only_first, " + ", only_second, " discordant of ", num_pairs);
  require(confidence > 0 && confidence < 1, "tango_interval: confidence must be in (0, 1), got ",
          confidence);
  const auto b = static_cast<double>(only_first);
  const auto c = static_cast<double>(only_second);
  const auto n = static_cast<double>(num_pairs);
  const double z = normal_quantile(0.5 + confidence / 2);
  const double estimate = (c - b) / n;
  return {only_first == num_pairs ? -1 : solve(b, c, n, z, -1, estimate),
          only_second == num_pairs ? 1 : solve(b, c, n, -z, estimate, 1)};
}

}  // namespace assay
