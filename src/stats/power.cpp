#include "stats/power.h"

#include "base/error.h"
#include "stats/discordance.h"
#include "stats/distributions.h"

namespace assay {

double minimum_detectable_effect(double standard_error, double dof, double confidence,
                                 double power) {
  require(standard_error >= 0, "minimum_detectable_effect: negative standard error");
  return (student_t_quantile(0.5 + confidence / 2, dof) + student_t_quantile(power, dof)) *
         standard_error;
}

double minimum_detectable_share(int64_t num_clusters, double power) {
  if (num_clusters < kFewDiscordant) return NAN;
  // P(X >= k) = power for X ~ Binomial(n, p) is the `power` quantile of Beta(k, n - k + 1).
  const auto k = static_cast<double>(kFewDiscordant);
  return beta_quantile(power, k, static_cast<double>(num_clusters) - k + 1);
}

bool non_inferior(const Interval& oriented, double margin) {
  require(margin > 0, "non_inferior: margin must be positive, got ", margin);
  return oriented.low > -margin;
}

bool equivalent(const Interval& difference, double margin) {
  require(margin > 0, "equivalent: margin must be positive, got ", margin);
  return difference.low > -margin && difference.high < margin;
}

}  // namespace assay
