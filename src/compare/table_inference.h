#pragma once
// Inference of outcomes that are no function of sums (metrics/outcome.h, docs/adr/0060).

#include <cstdint>

#include "compare/inference.h"
#include "compare/paired.h"
#include "metrics/outcome.h"

namespace assay {

// Exchanges of arms that are drawn: each visits every item.
inline constexpr int64_t kTableDraws = 999;

// Outcome::of_items: values and difference, what chance gives in each arm, and p of no difference
// when whole clusters exchange their arms. There is no interval; `problem` says why, and what
// chance gives.
void infer_items(const Outcome& outcome, const OutcomePairs& pairs, uint64_t seed,
                 Inference& result);

// Outcome::agreement: base 1, difference agreement - 1. The interval is that of Fisher's z, the
// inverse hyperbolic tangent, with its jackknife error over clusters (20 or more) and t quantiles;
// resampling whole clusters would add noise to both arms and miss the value itself. p is one-sided,
// of a loss of exactly the margin, doubled: no loss at all is no hypothesis, for an agreement of 1
// means that nothing changed.
void infer_agreement(const Outcome& outcome, const OutcomePairs& pairs, Inference& result);

}  // namespace assay
