#pragma once
// What the pairs of one outcome say about base, variant and their difference: the rules of
// docs/comparison.md.

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "compare/paired.h"
#include "metrics/outcome.h"
#include "stats/cluster_bootstrap.h"
#include "stats/sign_flip.h"

namespace assay {

// A mean of fewer effective items than this gets no verdict, a group no plain bar.
inline constexpr double kMinEffectiveItems = 20;

// A value with its 95 % interval; NaN where undefined or where none can be given.
struct Estimate {
  double value = NAN;
  double low = NAN;
  double high = NAN;
};

struct CrossCheck {
  std::string method;
  double low = NAN;
  double high = NAN;
};

// What chance alone makes of a value that has no interval: mean and middle 95 %, by arm.
struct Chance {
  Estimate base;
  Estimate variant;
};

struct Inference {
  Estimate base;
  Estimate variant;
  // Paired. Oriented so that negative is harm, except for kTowardsZero: variant - base. On the
  // ratio scale the oriented difference of logarithms.
  Estimate difference;
  std::optional<Estimate> ratio;  // variant / base, on the ratio scale
  double p = NAN;                 // two-sided, of no difference
  double mde = NAN;               // on the scale of `difference`
  std::string method;
  std::string problem;  // why there is no interval of the difference; empty when there is one
  std::optional<CrossCheck> cross_check;
  std::optional<Chance> chance;  // of an outcome of items (metrics/outcome.h)
  int64_t num_items = 0;
  int64_t num_clusters = 0;
  double effective_n = 0;
  double icc = NAN;
  double largest_cluster_share = NAN;
};

// How many random sign vectors and resamples to take. What decides takes them all; bars by group
// take few.
struct Effort {
  int64_t sign_flips = kSignFlipDraws;
  int64_t resamples = kBootstrapResamples;
};
inline constexpr Effort kGroupEffort{9999, 999};

// No pairs: everything undefined, with a problem. The seed draws signs and resamples.
Inference infer(const Outcome& outcome, const OutcomePairs& pairs, uint64_t seed,
                const Effort& effort = {});

// The margin on the scale of `difference`: itself, or its logarithm for a ratio.
double margin_of(const Outcome& outcome);

}  // namespace assay
