#include "stats/proportion.h"

#include "base/error.h"
#include "stats/distributions.h"

namespace assay {

Interval clopper_pearson(int64_t successes, int64_t trials, double confidence) {
  require(trials >= 1 && successes >= 0 && successes <= trials, "clopper_pearson: ", successes,
          " of ", trials, " is no proportion");
  require(confidence > 0 && confidence < 1, "clopper_pearson: confidence must be in (0, 1), got ",
          confidence);
  const double tail = (1 - confidence) / 2;
  const auto k = static_cast<double>(successes);
  const auto n = static_cast<double>(trials);
  return {successes == 0 ? 0 : beta_quantile(tail, k, n - k + 1),
          successes == trials ? 1 : beta_quantile(1 - tail, k + 1, n - k)};
}

}  // namespace assay
