#pragma once
// What a comparison may claim, in the order of the rules: not interpretable, undecidable,
// non-inferior, worse.

#include <optional>
#include <string>
#include <string_view>

#include "compare/inference.h"
#include "metrics/outcome.h"

namespace assay {

enum class Verdict { kNotInterpretable, kUndecidable, kNonInferior, kWorse, kMuchWorse };
std::string_view to_string(Verdict verdict);  // "non-inferior"

struct Decision {
  Verdict verdict = Verdict::kUndecidable;
  std::string reason;
};

// The verdict from the interval alone. With m the margin and [l, u] the oriented interval:
// non-inferior when l > -m, worse when u < 0, much worse when u < -m, else undecidable.
// kTowardsZero: non-inferior when the whole interval lies inside (-m, m); worse when it excludes 0
// and the variant's bias is farther from 0 than the base's or lies on the other side of 0 with its
// whole interval, much worse when it lies outside (-m, m) altogether.
Decision decide_by_interval(const Outcome& outcome, const Inference& inference);

// The same after what makes it impossible to decide at all: first `not_interpretable`, then
// `insensitive` (the base at its floor, a positive control that was not detected, a broken negative
// control), each a reason.
Decision decide(const Outcome& outcome, const Inference& inference,
                const std::optional<std::string>& not_interpretable,
                const std::optional<std::string>& insensitive);

// Harm is shown: the difference excludes 0 in the harmful direction (kTowardsZero: in either).
bool shows_harm(const Outcome& outcome, const Inference& inference);

}  // namespace assay
