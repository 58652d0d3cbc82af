#pragma once

#include <cmath>

namespace assay {

// A confidence interval; both ends NaN where none can be given.
struct Interval {
  double low = NAN;
  double high = NAN;
};

inline constexpr double kConfidence = 0.95;  // of every interval of a report, two-sided

}  // namespace assay
