#pragma once
// Bias-reduced cluster-robust standard error of a mean: the cross-check of the sign-flip test, and
// the standard error behind minimum detectable effects.

#include <span>

#include "stats/interval.h"

namespace assay {

struct ClusterRobust {
  double mean = 0;
  double standard_error = 0;  // CR2
  double dof = 0;             // Satterthwaite
  double p = 1;               // two-sided, of mean 0; 1 when mean and standard error are 0
  Interval interval;
};

// CR2 for the regression on a constant with an independent working model, so the mean is sum(sums)
// / sum(sizes). Needs at least 2 clusters: Error(kBadInput). Sources: Bell & McCaffrey, Survey
// Methodology 2002; Pustejovsky & Tipton, JBES 2018 (clubSandwich).
ClusterRobust cluster_robust_mean(std::span<const double> sums, std::span<const double> sizes,
                                  double confidence = kConfidence);

}  // namespace assay
