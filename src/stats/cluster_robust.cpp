#include "stats/cluster_robust.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "stats/distributions.h"

namespace assay {
namespace {

// With n items in all and weights w_g = n_g^2 / (1 - n_g / n), the CR2 variance is a quadratic form
// whose matrix has diagonal n_g and off-diagonal -sqrt(w_g w_h) / n (both over n^2); dof = trace^2
// / sum of squared entries.
double satterthwaite_dof(std::span<const double> sizes, double n) {
  double square_sizes = 0;
  double weights = 0;
  double square_weights = 0;
  for (const double size : sizes) {
    const double w = size * size / (1 - size / n);
    square_sizes += size * size;
    weights += w;
    square_weights += w * w;
  }
  return n * n / (square_sizes + (weights * weights - square_weights) / (n * n));
}

}  // namespace

ClusterRobust cluster_robust_mean(std::span<const double> sums, std::span<const double> sizes,
                                  double confidence) {
  require(sums.size() == sizes.size() && sums.size() >= 2,
          "cluster_robust_mean: needs two clusters or more, got ", sums.size());
  require(std::ranges::all_of(sizes, [](double n) { return n > 0; }),
          "cluster_robust_mean: an empty cluster");
  require(confidence > 0 && confidence < 1, "cluster_robust_mean: bad confidence ", confidence);
  double total = 0;
  double n = 0;
  for (size_t g = 0; g < sums.size(); ++g) {
    total += sums[g];
    n += sizes[g];
  }
  ClusterRobust result;
  result.mean = total / n;
  double variance = 0;  // sum_g (adjusted sum of residuals)^2 / n^2
  for (size_t g = 0; g < sums.size(); ++g) {
    const double residuals = sums[g] - result.mean * sizes[g];
    variance += residuals * residuals / (1 - sizes[g] / n);
  }
  result.standard_error = std::sqrt(variance) / n;
  result.dof = satterthwaite_dof(sizes, n);
  if (result.standard_error > 0) {
    result.p = student_t_two_sided_p(result.mean / result.standard_error, result.dof);
  } else {
    result.p = result.mean == 0 ? 1 : 0;
  }
  const double half_width =
      student_t_quantile(0.5 + confidence / 2, result.dof) * result.standard_error;
  result.interval = {result.mean - half_width, result.mean + half_width};
  return result;
}

}  // namespace assay
