#include "metrics/outcome.h"

#include <limits>

namespace assay {

double mean_statistic(std::span<const double> sums) {
  if (sums[1] == 0) return std::numeric_limits<double>::quiet_NaN();
  return sums[0] / sums[1];
}

}  // namespace assay
