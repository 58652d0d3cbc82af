#include "metrics/outcome.h"

#include <cmath>
#include <limits>

namespace assay {

double mean_statistic(std::span<const double> sums) {
  if (sums[1] == 0) return std::numeric_limits<double>::quiet_NaN();
  return sums[0] / sums[1];
}

double value_of(const Outcome& outcome, std::span<const double> rows) {
  if (outcome.of_items != nullptr) return outcome.of_items(rows);
  if (outcome.statistic == nullptr || outcome.between_groups) return NAN;
  std::vector<double> sums(static_cast<size_t>(outcome.num_components));
  for (size_t i = 0; i < rows.size(); ++i) sums[i % sums.size()] += rows[i];
  return outcome.statistic(sums);
}

}  // namespace assay
